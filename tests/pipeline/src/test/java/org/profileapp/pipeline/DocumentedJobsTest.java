package org.profileapp.pipeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every scripted Jenkinsfile of the docs runs, with a fake worker and a fake `docker`. */
class DocumentedJobsTest {
    private static final Pattern BLOCK = Pattern.compile("(?ms)^```groovy\\n(.*?)^```$");

    @TempDir
    Path folder;

    static Stream<String> scripts() throws Exception {
        return Stream.concat(blocks("docs/jenkins-cookbook.md"), blocks("docs/jenkins.md").filter(text -> !isDeclarative(text)));
    }

    private static Stream<String> blocks(String page) throws Exception {
        return BLOCK.matcher(Files.readString(Jenkins.ROOT.resolve(page))).results().map(match -> match.group(1)).toList().stream();
    }

    /** The harness supports scripted pipelines; a declarative one calls the step in the same way. */
    private static boolean isDeclarative(String text) {
        return text.contains("\npipeline {");
    }

    @ParameterizedTest
    @MethodSource("scripts")
    void itRuns(String script) throws Exception {
        Path repository = Files.createDirectories(folder.resolve("repository"));
        Files.writeString(repository.resolve("sage.yaml"), "name: app\n");
        Files.writeString(repository.resolve("Dockerfile"), "FROM scratch\n");
        Jenkins jenkins = new Jenkins(folder).agent("builder", 1, "docker").agent("orin-1", 1, "orin");
        FakeWorker.install(jenkins);
        FakeWorker.plan(jenkins, "gpu:orin:0", "cpu::0");
        String group = "{\"name\":\"%1$s\",\"agent\":\"%2$s\",\"targets\":[\"%1$s\"],\"secrets\":[]}";
        jenkins.environment.put("FAKE_GROUPS", group.formatted("gpu", "orin") + "," + group.formatted("cpu", ""));
        Path docker = Files.writeString(folder.resolve("bin/docker"), "#!/bin/sh\nexit 0\n");
        assertTrue(docker.toFile().setExecutable(true));
        Files.createDirectories(jenkins.otherBuilds.resolve("profile"));
        Files.writeString(jenkins.otherBuilds.resolve("profile/index.html"), "");
        jenkins.plugins.addAll(List.of("lockable-resources", "copyartifact", "plot"));
        jenkins.credentials.put("profiles-url", "url");
        jenkins.credentials.put("registry-login", "ann:word");
        jenkins.environment.put("FAKE_DB", "url");
        jenkins.environment.put("FAKE_PLOT", "yes");
        Build build = jenkins.build(script, repository);
        assertEquals("SUCCESS", build.result, build.log());
        assertTrue(build.log().contains("fake run image=<"), build.log());
        assertEquals(0, build.testsFailed);
    }

    @Test
    void theCookbookHasSevenJobs() throws Exception {
        assertEquals(7, blocks("docs/jenkins-cookbook.md").count());
    }
}
