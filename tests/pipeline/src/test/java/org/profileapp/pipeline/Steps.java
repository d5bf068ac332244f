package org.profileapp.pipeline;

import groovy.lang.Closure;
import java.io.File;
import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.apache.tools.ant.DirectoryScanner;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/** The steps of a pipeline, implemented on real folders and processes. */
final class Steps {
    /** Steps of Pipeline itself. */
    private static final Set<String> NAMES = Set.of(
            "agent", "archiveArtifacts", "catchError", "checkout", "cron", "deleteDir", "dir", "echo", "error", "fileExists",
            "legacySCM", "library", "libraryResource", "node", "nonresumable", "parallel", "pwd", "readFile", "retry", "sh",
            "pipelineTriggers", "properties", "stage", "stash", "timeout", "unarchive", "unstable", "unstash", "withEnv", "writeFile");
    /** Steps by plugin. */
    private static final Map<String, String> OF_PLUGINS = Map.of(
            "copyArtifacts", "copyartifact",
            "junit", "junit",
            "lock", "lockable-resources",
            "plot", "plot",
            "publishChecks", "checks-api",
            "string", "credentials-binding",
            "usernamePassword", "credentials-binding",
            "withCredentials", "credentials-binding");

    private final Jenkins jenkins;
    private final Build build;
    private final Path repository;
    private Engine engine;

    Steps(Jenkins jenkins, Build build, Path repository) {
        this.jenkins = jenkins;
        this.build = build;
        this.repository = repository;
    }

    void setEngine(Engine engine) {
        this.engine = engine;
    }

    boolean has(String name) {
        return NAMES.contains(name) || jenkins.plugins.contains(OF_PLUGINS.get(name));
    }

    Object execute(PipelineScript.StepCall call, Context context) throws Throwable {
        if (context.agent() != null && build.lost.contains(context.agent().name)) {
            throw new AgentLost(context.agent().name);
        }
        Arguments args = new Arguments(call.arguments());
        long beganNs = System.nanoTime();
        try {
            return execute(call, args, context);
        } finally {
            if (args.body == null && !call.name().equals("parallel")) {
                String part = call.name().equals("sh") ? "sh " + args.textOr("label", "") : call.name();
                build.stepNs.computeIfAbsent(part, name -> new AtomicLong()).addAndGet(System.nanoTime() - beganNs);
            }
        }
    }

    private Object execute(PipelineScript.StepCall call, Arguments args, Context context) throws Throwable {
        return switch (call.name()) {
            case "archiveArtifacts" -> archive(args, context);
            case "catchError" -> catchError(args, context);
            case "agent", "cron", "nonresumable", "pipelineTriggers", "properties" -> Map.of("$class", call.name());
            case "checkout" -> checkout(context);
            case "copyArtifacts" -> copyTree(jenkins.otherBuilds, inside(context, args.textOr("target", ".")));
            case "deleteDir" -> deleteTree(context.folderOrFail("deleteDir"));
            case "dir" -> engine.run(args.body, context.in(inside(context, args.text("path"))));
            case "echo" -> log(args.text("message"));
            case "error" -> throw new StepFailure(args.text("message"));
            case "fileExists" -> Files.exists(inside(context, args.text("file")));
            case "junit" -> junit(args, context);
            case "legacySCM", "library" -> null;
            case "libraryResource" -> Files.readString(Jenkins.ROOT.resolve("resources").resolve(args.text("resource")));
            case "lock" -> lock(args, context);
            case "node" -> node(args, context);
            case "parallel" -> parallel(args, context);
            case "plot" -> plot(args, context);
            case "publishChecks" -> log("[check " + new TreeMap<>(args.named) + "]");
            case "pwd" -> context.folderOrFail("pwd") + (args.flag("tmp") ? "@tmp" : "");
            case "readFile" -> Files.readString(inside(context, args.text("file")));
            case "retry" -> retry(args, context);
            case "sh" -> sh(args, context);
            case "stage" -> stage(args, context);
            case "stash" -> stash(args, context);
            case "string", "usernamePassword" -> new LinkedHashMap<>(args.named);
            case "timeout" -> timeout(args, context);
            case "unarchive" -> unarchive(args, context);
            case "unstable" -> unstable(args);
            case "unstash" -> unstash(args, context);
            case "withCredentials" -> withCredentials(args, context);
            case "withEnv" -> engine.run(args.body, context.with(variables(args.value("overrides"))));
            case "writeFile" -> writeFile(args, context);
            default -> throw new IllegalStateException(call.name());
        };
    }

    private Object log(String text) {
        build.log(text);
        return null;
    }

    /** As the Git plugin in a scripted pipeline: returns the checked-out revision and sets no variables. */
    private Object checkout(Context context) throws IOException {
        copyTree(repository, context.folderOrFail("checkout"));
        return new LinkedHashMap<>(jenkins.checkedOut);
    }

    /** As the Lockable Resources plugin: one holder at a time. */
    private Object lock(Arguments args, Context context) throws Throwable {
        String resource = args.text("resource");
        Semaphore one = jenkins.locks.computeIfAbsent(resource, name -> new Semaphore(1));
        one.acquire();
        build.log("[lock " + resource + " acquired]");
        try {
            return engine.run(args.body, context);
        } finally {
            build.log("[lock " + resource + " released]");
            one.release();
        }
    }

    /** As the Plot plugin: reads the series at the end of the step. */
    private Object plot(Arguments args, Context context) throws IOException {
        for (Object series : (List<?>) args.value("csvSeries")) {
            build.log("[plot " + Files.readString(inside(context, String.valueOf(((Map<?, ?>) series).get("file")))) + "]");
        }
        return null;
    }

    /** With `conditions`, retries only failures caused by a lost agent. */
    private Object retry(Arguments args, Context context) throws Throwable {
        int count = Integer.parseInt(args.text("count"));
        for (int attempt = 1; ; attempt++) {
            try {
                return engine.run(args.body, context);
            } catch (AgentLost error) {
                build.log("ERROR: " + error.getMessage());
                if (attempt == count) {
                    throw error;
                }
                build.log("Retrying");
            } catch (StepFailure error) {
                if (attempt == count || args.named.containsKey("conditions")) {
                    throw error;
                }
            }
        }
    }

    /** Interrupts the body after the timeout, as an abort does. */
    private Object timeout(Arguments args, Context context) throws Throwable {
        Thread timer = new Thread(() -> {
            try {
                while (jenkins.timeoutBegins != null && !Files.exists(jenkins.timeoutBegins)) {
                    Thread.sleep(50);
                }
                Thread.sleep(TimeUnit.valueOf(args.textOr("unit", "SECONDS")).toMillis(Integer.parseInt(args.text("time"))));
                build.log("Cancelling nested steps due to timeout");
                build.aborted = true;
            } catch (InterruptedException over) {
                Thread.currentThread().interrupt();
            }
        });
        timer.start();
        try {
            return engine.run(args.body, context);
        } finally {
            timer.interrupt();
        }
    }

    private Object stage(Arguments args, Context context) throws Throwable {
        build.stages.add(args.text("name"));
        build.log("[stage " + args.text("name") + "]");
        return engine.run(args.body, context);
    }

    private Object node(Arguments args, Context context) throws Throwable {
        String label = args.positional.isEmpty() ? "" : String.valueOf(args.positional.get(0));
        Agent agent = takeAgent(label);
        Path workspace = agent.takeWorkspace();
        try {
            Files.createDirectories(workspace);
            build.usedAgents.add(agent.name);
            Map<String, String> environment = Map.of(
                    "NODE_NAME", agent.name,
                    "NODE_LABELS", agent.name + " " + String.join(" ", agent.labels),
                    "WORKSPACE", workspace.toString());
            return engine.run(args.body, new Context(agent, workspace, context.environment()).with(environment));
        } finally {
            build.lost.remove(agent.name);
            agent.releaseWorkspace();
            agent.executors.release();
        }
    }

    private Agent takeAgent(String label) throws InterruptedException {
        List<Agent> fitting = jenkins.agents.stream().filter(agent -> agent.answersTo(label)).toList();
        if (fitting.isEmpty()) {
            throw new StepFailure("no agent has the label '" + label + "'");
        }
        for (int attempt = 0; attempt < 600; attempt++) {
            for (Agent agent : fitting) {
                if (agent.executors.tryAcquire()) {
                    return agent;
                }
            }
            Thread.sleep(50);
        }
        throw new StepFailure("still waiting for an executor on '" + label + "' after 30 s: a deadlock");
    }

    /** Runs each branch in a thread: their steps overlap, as branches on several agents do. */
    private Object parallel(Arguments args, Context context) throws Throwable {
        Map<String, Object> results = new LinkedHashMap<>();
        AtomicReference<Throwable> first = new AtomicReference<>();
        List<Thread> threads = new ArrayList<>();
        for (Map.Entry<String, Object> branch : args.named.entrySet()) {
            if (!(branch.getValue() instanceof Closure<?> body)) {
                continue;
            }
            threads.add(new Thread(() -> {
                try {
                    Object result = engine.run(body, context);
                    synchronized (results) {
                        results.put(branch.getKey(), result);
                    }
                } catch (Throwable error) {
                    build.log("Failed in branch " + branch.getKey() + ": " + error.getMessage());
                    first.compareAndSet(null, error);
                }
            }, branch.getKey()));
        }
        threads.forEach(Thread::start);
        for (Thread thread : threads) {
            thread.join();
        }
        if (first.get() != null) {
            throw first.get();
        }
        return results;
    }

    private Object catchError(Arguments args, Context context) throws Throwable {
        try {
            engine.run(args.body, context);
        } catch (Aborted error) {
            throw error;
        } catch (Throwable error) {
            build.log("ERROR: " + error.getMessage());
            build.worsen(args.textOr("buildResult", "FAILURE"));
        }
        return null;
    }

    /** As the credentials-binding plugin, for secret texts and USER:PASSWORD: values in the log are masked. */
    private Object withCredentials(Arguments args, Context context) throws Throwable {
        Map<String, String> variables = new LinkedHashMap<>();
        for (Object binding : (List<?>) args.value("bindings")) {
            Map<?, ?> wanted = (Map<?, ?>) binding;
            String secret = jenkins.credentials.get(String.valueOf(wanted.get("credentialsId")));
            if (secret == null) {
                throw new StepFailure("Could not find credentials entry with ID '" + wanted.get("credentialsId") + "'");
            }
            if (wanted.containsKey("passwordVariable")) {
                String[] parts = secret.split(":", 2);
                if (parts.length < 2) {
                    throw new StepFailure("Credentials '" + wanted.get("credentialsId") + "' is of type 'Secret text' where "
                            + "'StandardUsernamePasswordCredentials' was expected");
                }
                build.secrets.add(parts[1]);
                variables.put(String.valueOf(wanted.get("usernameVariable")), parts[0]);
                variables.put(String.valueOf(wanted.get("passwordVariable")), parts[1]);
                continue;
            }
            build.secrets.add(secret);
            variables.put(String.valueOf(wanted.get("variable")), secret);
        }
        return engine.run(args.body, context.with(variables));
    }

    private Object unstable(Arguments args) {
        build.log("WARNING: " + args.text("message"));
        build.worsen("UNSTABLE");
        return null;
    }

    /** As the durable-task plugin: `sh -xe` on a script file; an abort sends SIGTERM to the whole tree. */
    private Object sh(Arguments args, Context context) throws Throwable {
        Path folder = context.folderOrFail("sh");
        Files.createDirectories(folder);
        String title = args.textOr("label", "");
        if (jenkins.losesAgentAt.remove(context.agent().name, title)) {
            build.lost.add(context.agent().name);
            throw new AgentLost(context.agent().name);
        }
        if (!title.isEmpty() && !"UTF-8".equals(args.textOr("encoding", ""))) {
            throw new IllegalStateException("sh without encoding garbles what is not ASCII on an agent of the POSIX locale");
        }
        Path script = Files.createTempFile("durable-", ".sh");
        Path output = Files.createTempFile("durable-", ".out");
        Path trace = Files.createTempFile("durable-", ".log");
        try {
            Files.writeString(script, args.text("script"));
            boolean wantsOutput = args.flag("returnStdout");
            ProcessBuilder builder = new ProcessBuilder("sh", "-xe", script.toString()).directory(folder.toFile());
            builder.environment().clear();
            builder.environment().putAll(context.environment());
            builder.redirectInput(new File("/dev/null"));
            builder.redirectError(trace.toFile());
            builder.redirectOutput(wantsOutput ? output.toFile() : trace.toFile());
            if (!wantsOutput) {
                builder.redirectErrorStream(true);
            }
            boolean alreadyAborted = build.aborted;
            Process process = builder.start();
            if (jenkins.restartsAt.remove(title)) {
                build.log("Resuming build after Jenkins restart");
                engine.restart();
            }
            boolean interrupted = false;
            while (!process.waitFor(50, TimeUnit.MILLISECONDS)) {
                if (build.aborted && !alreadyAborted) {
                    Stream.concat(process.descendants(), Stream.of(process.toHandle())).forEach(ProcessHandle::destroy);
                    interrupted = true;
                    break;
                }
            }
            build.log(Files.readString(trace));
            if (interrupted) {
                throw new Aborted();
            }
            int status = process.exitValue();
            if (args.flag("returnStatus")) {
                return status;
            }
            if (status != 0) {
                throw new StepFailure("script returned exit code " + status);
            }
            return wantsOutput ? Files.readString(output) : null;
        } finally {
            Files.deleteIfExists(script);
            Files.deleteIfExists(output);
            Files.deleteIfExists(trace);
        }
    }

    private Object writeFile(Arguments args, Context context) throws IOException {
        Path file = inside(context, args.text("file"));
        Files.createDirectories(file.getParent());
        Files.writeString(file, args.text("text"));
        return null;
    }

    private Object stash(Arguments args, Context context) throws IOException {
        List<String> files = scan(context.folderOrFail("stash"), args.textOr("includes", "**"), args.textOr("excludes", ""));
        if (files.isEmpty() && !args.flag("allowEmpty")) {
            throw new StepFailure("No files included in stash '" + args.text("name") + "'");
        }
        Path folder = build.stashes.resolve(args.text("name"));
        deleteTree(folder);
        Files.createDirectories(folder);
        build.sent(() -> copyFiles(files, context.folder(), folder));
        return null;
    }

    private Object unstash(Arguments args, Context context) throws IOException {
        Path folder = stashFolder(args.text("name"));
        Path to = context.folderOrFail("unstash");
        Files.createDirectories(to);
        build.fetched(() -> copyFiles(allFiles(folder), folder, to));
        return null;
    }

    /** As ArtifactUnarchiverStepExecution: a matched file keeps its full path below the target. */
    private Object unarchive(Arguments args, Context context) throws IOException {
        for (Map.Entry<?, ?> each : ((Map<?, ?>) args.value("mapping")).entrySet()) {
            List<String> files = scan(build.artifacts, String.valueOf(each.getKey()), "");
            if (files.isEmpty()) {
                throw new StepFailure("no artifacts to unarchive in " + each.getKey());
            }
            Path to = inside(context, String.valueOf(each.getValue()));
            build.fetched(() -> copyFiles(files, build.artifacts, to));
        }
        return null;
    }

    private Path stashFolder(String name) {
        Path folder = build.stashes.resolve(name);
        if (!Files.isDirectory(folder)) {
            throw new StepFailure("No such saved stash '" + name + "'");
        }
        return folder;
    }

    private Object archive(Arguments args, Context context) throws IOException {
        List<String> files = scan(context.folderOrFail("archiveArtifacts"), args.text("artifacts"), args.textOr("excludes", ""));
        if (files.isEmpty() && !args.flag("allowEmptyArchive")) {
            throw new StepFailure("No artifacts found that match the file pattern " + args.text("artifacts"));
        }
        build.sent(() -> copyFiles(files, context.folder(), build.artifacts));
        files.forEach(file -> build.archivings.merge(file, 1, Integer::sum));
        return null;
    }

    private Object junit(Arguments args, Context context) throws Exception {
        List<String> files = scan(context.folderOrFail("junit"), args.text("testResults"), "");
        if (files.isEmpty() && !args.flag("allowEmptyResults")) {
            throw new StepFailure("No test report files were found. Configuration error?");
        }
        if (args.named.get("testDataPublishers") instanceof List<?> publishers) {
            for (Object publisher : publishers) {
                if (!jenkins.plugins.contains("junit-attachments")
                        || !Map.of("$class", "AttachmentPublisher").equals(publisher)) {
                    // As DescribableModel.resolveClass.
                    throw new UnsupportedOperationException("no known implementation of class "
                            + "hudson.tasks.junit.TestDataPublisher is named " + ((Map<?, ?>) publisher).get("$class"));
                }
                build.attached.addAll(files);
            }
        }
        int failed = 0;
        for (String file : files) {
            Document document = DocumentBuilderFactory.newInstance().newDocumentBuilder()
                    .parse(context.folder().resolve(file).toFile());
            NodeList cases = document.getElementsByTagName("testcase");
            for (int index = 0; index < cases.getLength(); index++) {
                Element each = (Element) cases.item(index);
                boolean failure = each.getElementsByTagName("failure").getLength() > 0
                        || each.getElementsByTagName("error").getLength() > 0;
                boolean skipped = each.getElementsByTagName("skipped").getLength() > 0;
                synchronized (build) {
                    build.testsFailed += failure ? 1 : 0;
                    build.testsSkipped += skipped ? 1 : 0;
                    build.testsPassed += failure || skipped ? 0 : 1;
                }
                failed += failure ? 1 : 0;
            }
        }
        if (failed > 0 && !args.flag("skipMarkingBuildUnstable")) {
            build.worsen("UNSTABLE");
        }
        return null;
    }

    private static Path inside(Context context, String path) {
        return context.folderOrFail("dir").resolve(path).normalize();
    }

    /** Follows links to folders, as Jenkins does. */
    private static List<String> scan(Path folder, String includes, String excludes) {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        DirectoryScanner scanner = new DirectoryScanner();
        scanner.setBasedir(folder.toFile());
        scanner.setIncludes(includes.split("[, ]+"));
        if (!excludes.isEmpty()) {
            scanner.setExcludes(excludes.split("[, ]+"));
        }
        scanner.addDefaultExcludes();
        scanner.scan();
        return List.of(scanner.getIncludedFiles());
    }

    /** Returns the bytes that were copied. */
    private static long copyFiles(List<String> files, Path from, Path to) throws IOException {
        long copied = 0;
        for (String file : files) {
            Path target = to.resolve(file);
            Files.createDirectories(target.getParent());
            // Two stages may archive a file of one name at once: the later one replaces it, as in Jenkins.
            Path whole = Files.createTempFile(target.getParent(), ".", ".part");
            Files.copy(from.resolve(file), whole, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.COPY_ATTRIBUTES);
            Files.move(whole, target, StandardCopyOption.ATOMIC_MOVE);
            copied += Files.size(target);
        }
        return copied;
    }

    private static List<String> allFiles(Path from) throws IOException {
        try (Stream<Path> found = Files.walk(from)) {
            return found.filter(Files::isRegularFile).map(file -> from.relativize(file).toString()).toList();
        }
    }

    /** A checkout: links stay links. */
    private static Object copyTree(Path from, Path to) throws IOException {
        Files.createDirectories(to);
        try (Stream<Path> found = Files.walk(from)) {
            for (Path each : found.filter(file -> !Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS)).toList()) {
                Path target = to.resolve(from.relativize(each).toString());
                Files.createDirectories(target.getParent());
                Files.copy(each, target, LinkOption.NOFOLLOW_LINKS, StandardCopyOption.REPLACE_EXISTING,
                        StandardCopyOption.COPY_ATTRIBUTES);
            }
        }
        return null;
    }

    private static Object deleteTree(Path folder) throws IOException {
        if (Files.isDirectory(folder)) {
            Files.walkFileTree(folder, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                    Files.delete(file);
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult postVisitDirectory(Path visited, IOException error) throws IOException {
                    Files.delete(visited);
                    return FileVisitResult.CONTINUE;
                }
            });
        }
        return null;
    }

    private static Map<String, String> variables(Object overrides) {
        Map<String, String> variables = new TreeMap<>();
        for (Object each : (List<?>) overrides) {
            String text = String.valueOf(each);
            variables.put(text.substring(0, text.indexOf('=')), text.substring(text.indexOf('=') + 1));
        }
        return variables;
    }

    /** Arguments of a step: `step 'x'`, `step(key: 'x')`, `step('x') { … }`. */
    private static final class Arguments {
        final Map<String, Object> named = new HashMap<>();
        final List<Object> positional = new ArrayList<>();
        Closure<?> body;

        Arguments(List<Object> given) {
            for (Object each : given) {
                if (each instanceof Map<?, ?> map) {
                    map.forEach((key, value) -> named.put(String.valueOf(key), value));
                } else if (each instanceof Closure<?> closure) {
                    body = closure;
                } else {
                    positional.add(each);
                }
            }
        }

        /** A step's single positional argument can be any named one. */
        Object value(String name) {
            Object value = named.getOrDefault(name, positional.isEmpty() ? null : positional.get(0));
            if (value == null) {
                throw new StepFailure("argument '" + name + "' is missing");
            }
            return value;
        }

        String text(String name) {
            return String.valueOf(value(name));
        }

        String textOr(String name, String otherwise) {
            return String.valueOf(named.getOrDefault(name, otherwise));
        }

        boolean flag(String name) {
            return Boolean.TRUE.equals(named.get(name));
        }
    }

    /** Thrown by `error` and by a failing step. */
    static final class StepFailure extends RuntimeException {
        StepFailure(String message) {
            super(message);
        }
    }

    /** Thrown by each step on a lost agent. */
    static final class AgentLost extends RuntimeException {
        AgentLost(String name) {
            super("Agent " + name + " was deleted; cancelling node body");
        }
    }

    /** Thrown by a step when the build is aborted. */
    static final class Aborted extends RuntimeException {
        Aborted() {
            super("aborted");
        }
    }
}
