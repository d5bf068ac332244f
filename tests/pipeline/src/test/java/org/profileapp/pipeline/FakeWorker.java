package org.profileapp.pipeline;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Puts the fake worker, fake-worker.sh, on the PATH of a Jenkins' agents. */
final class FakeWorker {
    private FakeWorker() {}

    static void install(Jenkins jenkins) throws IOException {
        Path bin = Files.createDirectories(jenkins.folder.resolve("bin"));
        Files.copy(Path.of("src/test/resources/fake-worker.sh"), bin.resolve("profileapp"));
        bin.resolve("profileapp").toFile().setExecutable(true);
        jenkins.environment.put("PATH", bin + ":" + jenkins.environment.get("PATH"));
        String version = Files.readString(Jenkins.ROOT.resolve("resources/profileapp/VERSION")).trim();
        jenkins.environment.put("FAKE_VERSION", version);
    }

    /** Targets that it plans: NAME:AGENT:EXIT CODE. */
    static void plan(Jenkins jenkins, String... targets) {
        jenkins.environment.put("FAKE_TARGETS", String.join(" ", targets));
    }
}
