package org.profileapp.pipeline;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;

/** A Jenkins with agents and this repository's library. */
final class Jenkins {
    static final Path ROOT = Path.of(System.getProperty("user.dir")).resolve("../..").normalize();

    final List<Agent> agents = new ArrayList<>();
    final Map<String, String> environment = new TreeMap<>();
    /** Secret texts by their id. */
    final Map<String, String> credentials = new TreeMap<>();
    /** Plugins in addition to Pipeline and Git. */
    final Set<String> plugins = new HashSet<>(Set.of("junit", "credentials-binding"));
    /** The result of `checkout`; a `Pipeline script from SCM` has no BRANCH_NAME. */
    final Map<String, String> checkedOut = new TreeMap<>(Map.of("GIT_BRANCH", "origin/main", "GIT_COMMIT", "c0ffee"));
    /** Agents by name, with the label of the `sh` step at which they are lost, once. */
    final Map<String, String> losesAgentAt = new ConcurrentHashMap<>();
    /** Labels of `sh` steps during which the controller restarts, once each. */
    final Set<String> restartsAt = ConcurrentHashMap.newKeySet();
    /** A `timeout` starts when this file exists, so that no test depends on speed; null: at once. */
    volatile Path timeoutBegins;
    final Map<String, Semaphore> locks = new ConcurrentHashMap<>();
    final Path folder;
    /** Artifacts available to the Copy Artifact plugin. */
    final Path otherBuilds;
    private volatile Build running;

    Jenkins(Path folder) {
        this.folder = folder;
        otherBuilds = folder.resolve("other-builds");
        for (String name : List.of("PATH", "HOME", "LANG", "DOCKER_HOST", "PROFILEAPP_RETRY_TIMEOUT")) {
            if (System.getenv(name) != null) {
                environment.put(name, System.getenv(name));
            }
        }
        // pip's settings belong to the agent.
        System.getenv().forEach((name, value) -> {
            if (name.startsWith("PIP_") || name.endsWith("_PROXY") || name.endsWith("_proxy") || name.startsWith("SSL_")) {
                environment.put(name, value);
            }
        });
        environment.put("BUILD_URL", "http://jenkins.example/job/app/7/");
        environment.put("BUILD_NUMBER", "7");
        environment.put("JOB_NAME", "app");
    }

    Jenkins agent(String name, int executors, String... labels) {
        agents.add(new Agent(name, folder.resolve("agents"), executors, labels));
        return this;
    }

    /** Builds `jenkinsfile` with a checkout of `repository`. */
    Build build(Path jenkinsfile, Path repository) {
        Build build = new Build(folder.resolve("build"));
        running = build;
        Steps steps = new Steps(this, build, repository);
        Engine engine = new Engine(steps, ROOT.resolve("vars"), ROOT.resolve("src"));
        steps.setEngine(engine);
        engine.binding().setVariable("env", new Context.Env());
        engine.binding().setVariable("currentBuild", new Context.CurrentBuild(build));
        engine.binding().setVariable("scm", "scm");
        try {
            build.returned = engine.run(jenkinsfile, new Context(null, null, Map.copyOf(environment)));
        } catch (Throwable error) {
            build.error = error;
            build.log("ERROR: " + error);
            build.worsen(error instanceof Steps.Aborted ? "ABORTED" : "FAILURE");
        }
        return build;
    }

    Build build(String script, Path repository) throws Exception {
        Files.createDirectories(folder);
        return build(Files.writeString(folder.resolve("Jenkinsfile"), script), repository);
    }

    /** Aborts the running build. */
    void abort() {
        running.aborted = true;
    }
}
