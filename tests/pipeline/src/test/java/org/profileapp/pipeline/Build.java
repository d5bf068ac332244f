package org.profileapp.pipeline;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;

/** The output of a build: its result, log, stages, tests and artifacts. */
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
    /** Lost agents, until the `node` step on them ends. */
    final Set<String> lost = ConcurrentHashMap.newKeySet();
    /** How often each artifact was archived. */
    final Map<String, Integer> archivings = new ConcurrentHashMap<>();
    /** Bytes from agents to the controller, and back. */
    final AtomicLong sentBytes = new AtomicLong();
    final AtomicLong fetchedBytes = new AtomicLong();
    final AtomicLong controllerNs = new AtomicLong();
    /** Time in steps without a body, by purpose. */
    final Map<String, AtomicLong> stepNs = new ConcurrentHashMap<>();
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

    /** Transfers data and returns the number of bytes. */
    interface Transfer {
        long run() throws IOException;
    }

    void sent(Transfer transfer) throws IOException {
        sentBytes.addAndGet(timed(transfer));
    }

    void fetched(Transfer transfer) throws IOException {
        fetchedBytes.addAndGet(timed(transfer));
    }

    private long timed(Transfer transfer) throws IOException {
        long beganNs = System.nanoTime();
        try {
            return transfer.run();
        } finally {
            controllerNs.addAndGet(System.nanoTime() - beganNs);
        }
    }

    /** Makes the result worse, never better. */
    synchronized void worsen(String to) {
        List<String> order = List.of("SUCCESS", "UNSTABLE", "FAILURE", "ABORTED");
        if (order.indexOf(to) > order.indexOf(result)) {
            result = to;
        }
    }
}
