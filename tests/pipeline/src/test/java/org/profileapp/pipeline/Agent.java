package org.profileapp.pipeline;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;

/** A machine that runs steps. Its workspaces are folders below `root`: `ws`, and `ws@2` if `ws` is in use. */
final class Agent {
    final String name;
    final List<String> labels;
    final Semaphore executors;
    private final Path root;
    private final AtomicInteger taken = new AtomicInteger();

    Agent(String name, Path root, int executors, String... labels) {
        this.name = name;
        this.root = root.resolve(name);
        this.executors = new Semaphore(executors);
        this.labels = List.of(labels);
    }

    boolean answersTo(String label) {
        return label.isEmpty() || label.equals(name) || labels.contains(label);
    }

    Path takeWorkspace() {
        int number = taken.incrementAndGet();
        return root.resolve(number == 1 ? "ws" : "ws@" + number);
    }

    void releaseWorkspace() {
        taken.decrementAndGet();
    }
}
