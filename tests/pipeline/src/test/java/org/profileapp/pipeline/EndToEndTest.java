package org.profileapp.pipeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * From profileApp() through the real bridge and worker to real containers, and back to the artifact folder.
 * run.sh passes the locations of the worker's wheels and the example's image.
 */
@Tag("e2e")
class EndToEndTest {
    @TempDir
    Path folder;

    private Jenkins jenkins;
    private String image;
    private String state;
    private String wheels;

    @BeforeEach
    void prepare() {
        wheels = fromRunScript("PROFILEAPP_TEST_WHEELS");
        image = fromRunScript("PROFILEAPP_TEST_IMAGE");
        jenkins = new Jenkins(folder);
        // No worker on this machine's PATH is used.
        jenkins.environment.put("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        jenkins.environment.put("PROFILEAPP_HOME", fromRunScript("PROFILEAPP_TEST_HOME"));
        // Objects of these runs are labelled with this folder, which separates them from others on this machine.
        state = "/tmp/profileapp-e2e-" + ProcessHandle.current().pid();
        jenkins.environment.put("PROFILEAPP_STATE", state);
    }

    private static String fromRunScript(String variable) {
        String value = System.getenv(variable);
        assertNotNull(value, variable + " is not set: start the tests with run.sh");
        return value;
    }

    @Test
    void oneLineMeasuresRealContainersOnTwoAgents() throws Exception {
        jenkins.agent("controller", 1, "linux").agent("nano-1", 1, "nano").agent("orin-1", 1, "orin");
        Path repository = Files.createDirectories(folder.resolve("repository"));
        Files.createDirectories(repository.resolve("app/images"));
        Files.writeString(repository.resolve("app/images/one-objects-1.pgm"), "P5\n4 4\n255\n" + "~~~~~~~~~~~~~~~~");
        Files.writeString(repository.resolve("app/sage.yaml"), """
                name: counter
                version: 1.0.0
                source: {url: "https://example.org/counter.git"}
                """);
        Files.writeString(repository.resolve("app/profiling.yaml"), """
                profiling:
                  targets:
                    - {name: nano, agent: nano, args: "--use-cpu -interval 0.05"}
                    - {name: orin, agent: orin, args: "-interval 0.1", budgets: {fps.mean: ">= 1000000"}}
                    - {name: broken, args: --no-such-option}
                  metrics: [system, container, tau]
                  defaults: {timeout: 3, interval: 200ms, dataset: images}
                """);
        Build build = jenkins.build("@Library('profileapp') _\n\nprofileApp(image: '" + image + "', config: 'app/sage.yaml', "
                + "onAppFailure: 'unstable', wheels: '" + wheels + "')\n", repository);

        assertEquals("UNSTABLE", build.result, build.log());
        assertTrue(build.usedAgents.containsAll(List.of("nano-1", "orin-1")), build.usedAgents.toString());
        Path profile = build.artifacts.resolve("profile");
        for (String file : List.of("index.html", "summary.csv", "junit.xml", "report/style.css", "nano/report/index.html",
                "nano/run.json", "nano/metrics.ndjson", "nano/app.log", "orin/junit.xml", "broken/junit.xml")) {
            assertTrue(Files.isRegularFile(profile.resolve(file)), file);
        }
        List<String> rows = Files.readAllLines(profile.resolve("summary.csv"));
        assertTrue(rows.get(0).contains("container.cpu.util mean [%]") && rows.get(0).contains("fps mean [frames/s]"), rows.get(0));
        assertTrue(rows.stream().anyMatch(row -> row.startsWith("nano,passed,0,3.")), rows.toString());
        assertTrue(rows.stream().anyMatch(row -> row.startsWith("orin,over budget,1,3.")), rows.toString());
        assertTrue(rows.stream().anyMatch(row -> row.startsWith("broken,app failed,2,")), rows.toString());
        // nano: run, system, container, custom · orin: those and a violated budget · broken: run fails, custom is
        // measured.
        assertEquals(2, build.testsFailed, build.log());
        assertTrue(build.testsSkipped >= 3, "tau is skipped on each");
        assertTrue(build.testsPassed >= 8);
        assertTrue(Files.readString(profile.resolve("nano/metrics.ndjson")).contains("\"name\":\"fps\""));
        assertTrue(build.description.contains("3 targets: "), build.description);
        assertNothingRuns();
    }

    @Test
    void anAbortOfTheRealThingKeepsWhatWasMeasured() throws Exception {
        jenkins.agent("nano-1", 1, "nano");
        Path repository = Files.createDirectories(folder.resolve("repository"));
        Files.createDirectories(repository.resolve("images"));
        Files.writeString(repository.resolve("images/one-objects-1.pgm"), "P5\n4 4\n255\n" + "~~~~~~~~~~~~~~~~");
        Files.writeString(repository.resolve("sage.yaml"), """
                name: counter
                profiling:
                  targets: [{name: for-ever, args: "-interval 0.1", timeout: 10m, dataset: images}]
                  metrics: [container]
                """);
        Thread aborter = new Thread(() -> {
            try {
                Path metrics = folder.resolve(
                        "agents/nano-1/ws@tmp/profileapp/targets/for-ever/profile/for-ever/metrics.ndjson");
                for (int i = 0; i < 2400 && !(Files.exists(metrics) && Files.size(metrics) > 2000); i++) {
                    Thread.sleep(50);
                }
                jenkins.abort();
            } catch (Exception error) {
                throw new IllegalStateException(error);
            }
        });
        aborter.start();
        Build build = jenkins.build("profileApp(image: '" + image + "', wheels: '" + wheels + "')", repository);
        assertEquals("ABORTED", build.result, build.log());
        String run = Files.readString(build.artifacts.resolve("profile/for-ever/run.json"));
        assertTrue(run.contains("\"exit_reason\": \"aborted\"") && run.contains("\"state\": \"finished\""), run);
        assertTrue(Files.readString(build.artifacts.resolve("profile/index.html")).contains("aborted"));
        assertNothingRuns();
    }

    @Test
    void theProcessRuntimeRunsTheAppsOwnSources() throws Exception {
        jenkins.agent("controller", 1, "linux").agent("nano-1", 1, "nano");
        Path repository = Files.createDirectories(folder.resolve("repository"));
        Files.createDirectories(repository.resolve("lib"));
        Files.writeString(repository.resolve("lib/words.py"), "HELLO = 'from the sources'\n");
        Files.writeString(repository.resolve("app.py"), "import time\nfrom lib.words import HELLO\nprint(HELLO)\ntime.sleep(1)\n");
        Files.writeString(repository.resolve("sage.yaml"), "name: app\nprofiling:\n  targets: [{name: one, agent: nano}]\n"
                + "  metrics: [container, functions]\n");
        Build build = jenkins.build("profileApp(runtime: 'process', command: 'python3 app.py', wheels: '" + wheels + "')", repository);
        assertEquals("SUCCESS", build.result, build.log());
        assertEquals("from the sources\n", Files.readString(build.artifacts.resolve("profile/one/app.log")));
        assertFalse(build.log().contains("this agent cannot give it"), "the agent that plans has no py-spy: " + build.log());
        assertFalse(build.log().contains("py-spy is not installed"), "the agent that runs has it: " + build.log());
    }

    @Test
    void thisRepositorysOwnJenkinsfileProfilesItsExample() throws Exception {
        jenkins.agent("agent-1", 1, "docker");
        Path repository = folder.resolve("repository");
        Process copy = new ProcessBuilder("sh", "-c", "mkdir \"$0\" && git ls-files -z --cached --others --exclude-standard"
                + " | xargs -0 cp --parents -t \"$0\"", repository.toString()).directory(Jenkins.ROOT.toFile()).start();
        assertEquals(0, copy.waitFor());
        Build build = jenkins.build(Jenkins.ROOT.resolve("Jenkinsfile"), repository);
        assertTrue(List.of("SUCCESS", "UNSTABLE").contains(build.result), build.log());
        List<String> rows = Files.readAllLines(build.artifacts.resolve("profile/summary.csv"));
        assertEquals(4, rows.size(), rows.toString());
        assertEquals(0, rows.stream().filter(row -> row.contains("app failed") || row.contains("not measured")).count());
        assertNothingRuns();
    }

    private void assertNothingRuns() throws Exception {
        Process list = new ProcessBuilder("docker", "ps", "-a", "--format", "{{.ID}} {{.Names}} {{.Status}} {{.Labels}}").start();
        String left = new String(list.getInputStream().readAllBytes()).lines().filter(line -> line.contains(state))
                .collect(Collectors.joining("\n"));
        assertEquals("", left, "containers of this test were left behind");
    }
}
