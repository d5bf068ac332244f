package org.profileapp.pipeline;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.TreeMap;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Measures transfers between agents and controller: 8 targets of 100 MiB on 2 agents. Run by `run.sh bench`. */
@Tag("bench")
class TransferBench {
    private static final int TARGETS = 8;
    private static final int METRICS_MIB = 100;

    @TempDir
    Path folder;

    @Test
    void bytesAndTimeOfTheController() throws Exception {
        Path repository = Files.createDirectories(folder.resolve("repository"));
        Files.writeString(repository.resolve("sage.yaml"), "name: app\n");
        Jenkins jenkins = new Jenkins(folder).agent("controller", 1, "linux").agent("nano", 1, "nano").agent("orin", 1, "orin");
        FakeWorker.install(jenkins);
        String[] targets = new String[TARGETS];
        for (int index = 0; index < TARGETS; index++) {
            targets[index] = "t" + index + ":" + (index % 2 == 0 ? "nano" : "orin") + ":0";
        }
        FakeWorker.plan(jenkins, targets);
        jenkins.environment.put("FAKE_METRICS_MIB", String.valueOf(METRICS_MIB));
        // What a worker leaves of 60 series of 1600 points each.
        jenkins.environment.put("FAKE_DIGEST_KIB", "2100");
        long beganNs = System.nanoTime();
        Build build = jenkins.build("node('linux') { checkout scm\n profileApp(image: 'app:1') }", repository);
        double tookS = (System.nanoTime() - beganNs) / 1e9;
        assertEquals("SUCCESS", build.result, build.log());
        System.out.printf("%d targets of %d MiB: agents sent %.0f MiB and fetched %.0f MiB; the controller was busy for %.2f s "
                + "of a build's %.2f s%n", TARGETS, METRICS_MIB, build.sentBytes.get() / 1048576.0,
                build.fetchedBytes.get() / 1048576.0, build.controllerNs.get() / 1e9, tookS);
        new TreeMap<>(build.stepNs).forEach((part, ns) -> System.out.printf("  %-24s %6.2f s%n", part, ns.get() / 1e9));
    }
}
