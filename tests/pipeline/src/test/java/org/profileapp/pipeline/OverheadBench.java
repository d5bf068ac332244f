package org.profileapp.pipeline;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The overhead of profileApp() by part, in addition to the apps' run time, with the worker of .venv on the agents' PATH. */
@Tag("bench")
class OverheadBench {
    private static final double APP_S = 1;

    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(ints = {1, 8})
    void timeByPart(int targets) throws Exception {
        Path repository = Files.createDirectories(folder.resolve("repository"));
        StringBuilder sage = new StringBuilder("name: app\nprofiling:\n  metrics: [system, container]\n  targets:\n");
        for (int index = 0; index < targets; index++) {
            sage.append("    - {name: t").append(index).append(", agent: ").append(index % 2 == 0 ? "nano" : "orin").append("}\n");
        }
        Files.writeString(repository.resolve("sage.yaml"), sage);
        Jenkins jenkins = new Jenkins(folder).agent("controller", 1, "linux").agent("nano", 1, "nano").agent("orin", 1, "orin");
        jenkins.environment.put("PATH", Jenkins.ROOT.resolve(".venv/bin") + ":" + jenkins.environment.get("PATH"));
        jenkins.environment.put("PROFILEAPP_STATE", "/tmp/profileapp-bench-" + ProcessHandle.current().pid());
        long beganNs = System.nanoTime();
        Build build = jenkins.build("node('linux') { checkout scm\n"
                + "profileApp(runtime: 'process', command: 'sleep " + APP_S + "') }", repository);
        double tookS = (System.nanoTime() - beganNs) / 1e9;
        assertEquals("SUCCESS", build.result, build.log());
        Map<String, Double> seconds = new TreeMap<>();
        for (Map.Entry<String, AtomicLong> part : build.stepNs.entrySet()) {
            seconds.put(part.getKey(), part.getValue().get() / 1e9);
        }
        System.out.printf("%d targets of %.0f s on 2 agents that are one machine: the build took %.1f s%n", targets, APP_S, tookS);
        seconds.forEach((part, time) -> {
            if (time >= 0.05) {
                System.out.printf("  %-24s %6.2f s%n", part, time);
            }
        });
    }
}
