package org.profileapp.pipeline;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** What a build leaves: its result, log, stages, tests and artifacts. */
final class Build {
    final Path artifacts;
    final Path stashes;
    final List<String> stages = Collections.synchronizedList(new ArrayList<>());
    final List<String> secrets = new CopyOnWriteArrayList<>();
    final List<String> usedAgents = Collections.synchronizedList(new ArrayList<>());
    final List<String> attached = Collections.synchronizedList(new ArrayList<>());
    String result = "SUCCESS";
    String description;
    Throwable error;
    Object returned;
    int testsPassed;
    int testsFailed;
    int testsSkipped;
    volatile boolean aborted;
    private final StringBuffer log = new StringBuffer();

    Build(Path folder) {
        artifacts = folder.resolve("archive");
        stashes = folder.resolve("stashes");
    }

    void log(String text) {
        for (String secret : secrets) {
            text = text.replace(secret, "****");
        }
        log.append(text).append('\n');
    }

    String log() {
        return log.toString();
    }

    /** Makes the result worse, never better. */
    synchronized void worsen(String to) {
        List<String> order = List.of("SUCCESS", "UNSTABLE", "FAILURE", "ABORTED");
        if (order.indexOf(to) > order.indexOf(result)) {
            result = to;
        }
    }
}
