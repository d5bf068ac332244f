package org.profileapp.pipeline;

import groovy.lang.Closure;
import java.io.File;
import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
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
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.apache.tools.ant.DirectoryScanner;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/** The steps of a pipeline, each doing its work on real folders and processes. */
final class Steps {
    private static final Set<String> NAMES = Set.of(
            "archiveArtifacts", "catchError", "checkout", "deleteDir", "dir", "echo", "error", "fileExists", "junit",
            "legacySCM", "library", "libraryResource", "node", "parallel", "pwd", "readFile", "sh", "stage", "stash",
            "string", "timeout", "unstable", "unstash", "usernamePassword", "withCredentials", "withEnv", "writeFile");

    private final Build build;
    private final List<Agent> agents;
    private final Path repository;
    private final Path resources;
    private final Map<String, String> credentials;
    private Engine engine;

    Steps(Build build, List<Agent> agents, Path repository, Path resources, Map<String, String> credentials) {
        this.build = build;
        this.agents = agents;
        this.repository = repository;
        this.resources = resources;
        this.credentials = credentials;
    }

    void setEngine(Engine engine) {
        this.engine = engine;
    }

    boolean has(String name) {
        return NAMES.contains(name);
    }

    Object execute(PipelineScript.StepCall call, Context context) throws Throwable {
        Arguments args = new Arguments(call.arguments());
        return switch (call.name()) {
            case "archiveArtifacts" -> archive(args, context);
            case "catchError" -> catchError(args, context);
            case "checkout" -> copyTree(repository, context.folderOrFail("checkout"));
            case "deleteDir" -> deleteTree(context.folderOrFail("deleteDir"));
            case "dir" -> engine.run(args.body, context.in(inside(context, args.text("path"))));
            case "echo" -> log(args.text("message"));
            case "error" -> throw new StepFailure(args.text("message"));
            case "fileExists" -> Files.exists(inside(context, args.text("file")));
            case "junit" -> junit(args, context);
            case "legacySCM", "library" -> null;
            case "libraryResource" -> Files.readString(resources.resolve(args.text("resource")));
            case "node" -> node(args, context);
            case "parallel" -> parallel(args, context);
            case "pwd" -> context.folderOrFail("pwd").toString();
            case "readFile" -> Files.readString(inside(context, args.text("file")));
            case "sh" -> sh(args, context);
            case "stage" -> stage(args, context);
            case "stash" -> stash(args, context);
            case "string", "usernamePassword" -> new LinkedHashMap<>(args.named);
            case "timeout" -> engine.run(args.body, context);
            case "unstable" -> unstable(args);
            case "unstash" -> copyTree(stashFolder(args.text("name")), context.folderOrFail("unstash"));
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
            agent.releaseWorkspace();
            agent.executors.release();
        }
    }

    private Agent takeAgent(String label) throws InterruptedException {
        List<Agent> fitting = agents.stream().filter(agent -> agent.answersTo(label)).toList();
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

    /** Every branch in a thread of its own: their steps overlap, as branches on several agents do. */
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

    /** As the credentials-binding plugin, for secret texts and USER:PASSWORD: what is in the log is masked. */
    private Object withCredentials(Arguments args, Context context) throws Throwable {
        Map<String, String> variables = new LinkedHashMap<>();
        for (Object binding : (List<?>) args.value("bindings")) {
            Map<?, ?> wanted = (Map<?, ?>) binding;
            String secret = credentials.get(String.valueOf(wanted.get("credentialsId")));
            if (secret == null) {
                throw new StepFailure("Could not find credentials entry with ID '" + wanted.get("credentialsId") + "'");
            }
            if (wanted.containsKey("passwordVariable")) {
                String[] parts = secret.split(":", 2);
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
        List<String> files = scan(context.folderOrFail("stash"), args.textOr("includes", "**"));
        String excluded = args.textOr("excludes", "").replace("/**", "/");
        files = files.stream().filter(file -> excluded.isEmpty() || !file.startsWith(excluded)).toList();
        if (files.isEmpty() && !args.flag("allowEmpty")) {
            throw new StepFailure("No files included in stash '" + args.text("name") + "'");
        }
        Path folder = build.stashes.resolve(args.text("name"));
        deleteTree(folder);
        Files.createDirectories(folder);
        copyFiles(files, context.folder(), folder);
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
        List<String> files = scan(context.folderOrFail("archiveArtifacts"), args.text("artifacts"));
        if (files.isEmpty() && !args.flag("allowEmptyArchive")) {
            throw new StepFailure("No artifacts found that match the file pattern " + args.text("artifacts"));
        }
        copyFiles(files, context.folder(), build.artifacts);
        return null;
    }

    private Object junit(Arguments args, Context context) throws Exception {
        List<String> files = scan(context.folderOrFail("junit"), args.text("testResults"));
        if (files.isEmpty() && !args.flag("allowEmptyResults")) {
            throw new StepFailure("No test report files were found. Configuration error?");
        }
        if (args.named.get("testDataPublishers") instanceof List<?> publishers) {
            for (Object publisher : publishers) {
                if (!Map.of("$class", "AttachmentPublisher").equals(publisher)) {
                    throw new StepFailure("no known implementation of TestDataPublisher is " + publisher);
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

    private static List<String> scan(Path folder, String includes) {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        DirectoryScanner scanner = new DirectoryScanner();
        scanner.setBasedir(folder.toFile());
        scanner.setIncludes(includes.split("[, ]+"));
        scanner.addDefaultExcludes();
        scanner.setFollowSymlinks(false);
        scanner.scan();
        return List.of(scanner.getIncludedFiles());
    }

    private static void copyFiles(List<String> files, Path from, Path to) throws IOException {
        for (String file : files) {
            Path target = to.resolve(file);
            Files.createDirectories(target.getParent());
            Files.copy(from.resolve(file), target, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.COPY_ATTRIBUTES);
        }
    }

    private static Object copyTree(Path from, Path to) throws IOException {
        List<String> files = new ArrayList<>();
        try (Stream<Path> found = Files.walk(from)) {
            found.filter(Files::isRegularFile).forEach(file -> files.add(from.relativize(file).toString()));
        }
        copyFiles(files, from, to);
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

        /** A step's one positional argument may stand for any named one. */
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

    /** What `error` and a failing step throw. */
    static final class StepFailure extends RuntimeException {
        StepFailure(String message) {
            super(message);
        }
    }

    /** What Jenkins throws out of a step when somebody aborts the build. */
    static final class Aborted extends RuntimeException {
        Aborted() {
            super("aborted");
        }
    }
}
