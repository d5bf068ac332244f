package org.profileapp.pipeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Problems found with a real Jenkins, and attacks by a repository, with a fake worker. */
class RealJenkinsTest {
    @TempDir
    Path folder;

    private Path repository;
    private Path outside;
    private Jenkins jenkins;

    @BeforeEach
    void makeAgents() throws Exception {
        repository = Files.createDirectories(folder.resolve("repository"));
        Files.writeString(repository.resolve("sage.yaml"), "name: app\n");
        outside = Files.createDirectories(folder.resolve("outside/deep"));
        Files.writeString(outside.resolve("keys"), "secret");
        jenkins = new Jenkins(folder).agent("controller", 1, "linux").agent("nano", 1, "jetson").agent("orin", 1, "jetson");
        FakeWorker.install(jenkins);
        FakeWorker.plan(jenkins, "gpu::0", "cpu::0");
    }

    private Build build(String script) throws Exception {
        return jenkins.build(script, repository);
    }

    private void write(String file, String text) throws Exception {
        Files.createDirectories(repository.resolve(file).getParent());
        Files.writeString(repository.resolve(file), text);
    }

    @Test
    void theBranchOfAScriptFromScmIsKnownThoughCheckoutSetsNoVariable() throws Exception {
        FakeWorker.plan(jenkins, "gpu:jetson:0");
        Build build = build("profileApp(image: 'app:1')");
        assertTrue(build.log().contains("fake commit=<c0ffee> branch=< origin/main>"), build.log());
        jenkins.environment.put("BRANCH_NAME", "PR-5");
        Build multibranch = build("profileApp(image: 'app:1')");
        assertTrue(multibranch.log().contains("branch=<PR-5 PR-5>"), multibranch.log());
    }

    @Test
    void aWorseBaselineThatFailsStopsThePipeline() throws Exception {
        jenkins.credentials.put("profiles-url", "url");
        jenkins.environment.put("FAKE_DB", "url");
        jenkins.environment.put("FAKE_WORSE", "1");
        String call = "def result = profileApp(image: 'app:1', baseline: 'main', databaseCredentialsId: 'profiles-url'";
        Build failed = build(call + ", onBudget: 'fail')\necho 'DEPLOYED'");
        assertEquals("FAILURE", failed.result, failed.log());
        assertFalse(failed.log().contains("DEPLOYED"), failed.log());
        Build unstable = build(call + ")\nassert result.exitCode == 1 && result.result == 'UNSTABLE'\necho 'GOES ON'");
        assertEquals("UNSTABLE", unstable.result, unstable.log());
        assertTrue(unstable.log().contains("GOES ON"), unstable.log());
    }

    @Test
    void aSummaryThatCannotBeMadeStopsThePipeline() throws Exception {
        jenkins.environment.put("FAKE_NO_REPORT", "yes");
        Build build = build("profileApp(image: 'app:1')\necho 'DEPLOYED'");
        assertEquals("FAILURE", build.result, build.log());
        assertFalse(build.log().contains("DEPLOYED"), build.log());
    }

    @Test
    void theProcessRuntimeHasTheAppsSources() throws Exception {
        write("app.py", "print()");
        write("lib/detect.py", "");
        Build build = build("profileApp(runtime: 'process', command: 'python3 app.py')");
        assertEquals("SUCCESS", build.result, build.log());
        assertTrue(build.log().contains("fake files <./app.py ./lib/detect.py ./sage.yaml >"), build.log());
    }

    @Test
    void noMeasurementIsLostToAPluginThatIsNotThere() throws Exception {
        Build withoutAttachments = build("profileApp(image: 'app:1', attachments: true)");
        assertEquals("SUCCESS", withoutAttachments.result, withoutAttachments.log());
        assertTrue(withoutAttachments.log().contains("the JUnit Attachments plugin is missing"), withoutAttachments.log());
        assertTrue(Files.exists(withoutAttachments.artifacts.resolve("profile/gpu/metrics.ndjson")));
        assertEquals(3, withoutAttachments.testsPassed, "two runs and the page, without its files");
        jenkins.plugins.clear();
        Build withoutJunit = build("profileApp(image: 'app:1')");
        assertEquals("UNSTABLE", withoutJunit.result, withoutJunit.log());
        assertTrue(withoutJunit.log().contains("the JUnit plugin is not installed"), withoutJunit.log());
        assertTrue(Files.exists(withoutJunit.artifacts.resolve("profile/gpu/metrics.ndjson")));
        assertTrue(Files.exists(withoutJunit.artifacts.resolve("profile/index.html")));
    }

    @Test
    void whatIsWrittenWithADollarIsAStringToo() throws Exception {
        jenkins.credentials.put("the-key", "x");
        FakeWorker.plan(jenkins, "gpu::1");
        Build build = build("def x = 1\nprofileApp(image: \"app:${x}\", onBudget: \"${'ignore'}\", runtime: \"${'docker'}\", "
                + "targets: [\"${'gpu'}\"], credentialsIds: [\"${'the-key'}\"], config: \"${'sage'}.yaml\")");
        assertEquals("SUCCESS", build.result, build.log());
        assertTrue(build.log().contains("fake run image=<app:1>"), build.log());
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "credentialsIds: ['nowhere']", "registryCredentialsId: 'nowhere'", "databaseCredentialsId: 'nowhere'",
        "registryCredentialsId: 'a-text'",
    })
    void wrongCredentialsEndABuildBeforeAnythingIsMeasured(String key) throws Exception {
        jenkins.credentials.put("a-text", "no colon, no user name");
        Build build = build("profileApp(image: 'app:1', " + key + ")");
        assertEquals("FAILURE", build.result, build.log());
        assertFalse(build.log().contains("fake run"), build.log());
        assertTrue(build.log().contains("redentials"), build.log());
    }

    @Test
    void nothingWasMeasuredIsSaidSo() throws Exception {
        FakeWorker.plan(jenkins, "gpu::4");
        Build build = build("profileApp(image: 'app:1')");
        assertEquals("FAILURE", build.result, build.log());
        assertTrue(build.log().contains("profileApp: nothing was measured"), build.log());
    }

    @Test
    void anExitCodeWithoutAnOutcomeIsNoAppsFailure() throws Exception {
        jenkins.environment.put("FAKE_DIES", "yes");
        Build build = build("profileApp(image: 'app:1', onAppFailure: 'ignore', onBudget: 'ignore')");
        assertEquals("FAILURE", build.result, build.log());
        assertTrue(build.log().contains("could not measure: the worker left no outcome (exit code 2)"), build.log());
    }

    @Test
    void whatTheRepositoryHoldsIsNeitherArchivedNorPublishedNorStored() throws Exception {
        jenkins.credentials.put("profiles-url", "url");
        jenkins.environment.put("FAKE_DB", "url");
        jenkins.plugins.add("junit-attachments");
        jenkins.environment.put("FAKE_DATASET", "profile");
        String forged = "<testsuite name='app'><testcase name='[[ATTACHMENT|/etc/passwd]]' classname='x'/></testsuite>";
        write("profile/junit.xml", forged);
        write("profile/gpu/junit.xml", forged);
        write("profile/gpu/forged.txt", "x");
        write("profile/attachments.xml", forged);
        write("profile/outcome.json", "{\"version\":1,\"result\":\"SUCCESS\",\"message\":\"\",\"exit_code\":0,\"targets\":{}}");
        write("profile/victim/run.json", "forged");
        write("profile/victim/junit.xml", forged);
        Build build = build("profileApp(image: 'app:1', attachments: true, databaseCredentialsId: 'profiles-url')");
        assertEquals("SUCCESS", build.result, build.log());
        assertTrue(build.log().contains("./profile/victim/run.json"), "it was carried: " + build.log());
        assertFalse(Files.exists(build.artifacts.resolve("profile/victim")));
        assertFalse(Files.exists(build.artifacts.resolve("profile/gpu/forged.txt")));
        assertFalse(Files.readString(build.artifacts.resolve("profile/gpu/junit.xml")).contains("ATTACHMENT"));
        assertEquals(3, build.testsPassed, "the worker's own two runs and page");
        assertTrue(build.log().contains("fake store profile of <app> claims=<>: attachments.xml\ncpu\ngpu\n"), build.log());
    }

    @Test
    void aTargetsNameIsNoStashOfOurs() throws Exception {
        FakeWorker.plan(jenkins, "files::0", "image::0", "in-files::0");
        write("image.tar", "tar");
        Build build = build("profileApp(imageArchive: 'image.tar')");
        assertEquals("SUCCESS", build.result, build.log());
        assertEquals(3, build.log().split("fake image from <image/image.tar>", -1).length - 1, build.log());
        assertTrue(Files.exists(build.artifacts.resolve("profile/in-files/run.json")));
    }

    @ParameterizedTest
    @ValueSource(strings = {".profileapp", ".profileapp/targets", ".profileapp/summary", ".profileapp/worker.sh", "profile",
        "profileapp-merged.yaml"})
    void noLinkOfARepositoryLeadsWhatWeWriteOrRemoveElsewhere(String link) throws Exception {
        jenkins.credentials.put("profiles-url", "url");
        jenkins.environment.put("FAKE_DB", "url");
        Files.createDirectories(repository.resolve(link).getParent());
        boolean isFile = link.contains("worker") || link.contains("yaml");
        Files.createSymbolicLink(repository.resolve(link), isFile ? outside.resolve("keys") : outside.getParent());
        Build build = build("node('linux') { checkout scm\n"
                + "profileApp(image: 'app:1', config: 'alice/app/night', databaseCredentialsId: 'profiles-url') }");
        assertEquals("SUCCESS", build.result, build.log());
        assertEquals("secret", Files.readString(outside.resolve("keys")));
        try (Stream<Path> found = Files.walk(outside.getParent())) {
            assertEquals(3, found.count(), "two folders and a file, as before");
        }
    }

    @Test
    void anAgentInstallsTheExtrasThatItsTargetsNeed() throws Exception {
        jenkins.environment.put("FAKE_EXTRAS", "functions, report, s3");
        jenkins.environment.put("FAKE_GROUP_EXTRAS", "\"functions\",\"s3\"");
        Build build = build("profileApp(image: 'app:1')");
        assertEquals("SUCCESS", build.result, build.log());
        assertEquals(2, build.log().split("fake extras <functions,s3>", -1).length - 1, build.log());
    }

    @Test
    void samplesGoUpOnce() throws Exception {
        Build build = build("profileApp(image: 'app:1')");
        assertEquals(1, build.archivings.get("profile/gpu/metrics.ndjson"), build.archivings.toString());
        assertFalse(Files.exists(build.stashes.resolve("profileapp-gpu")));
    }

    @Test
    void theSummaryFetchesNoSamplesWhereADigestIs() throws Exception {
        Build build = build("profileApp(image: 'app:1')");
        assertTrue(build.log().contains("fake report of <./cpu/digest.json ./gpu/digest.json >"), build.log());
        assertTrue(Files.exists(build.artifacts.resolve("profile/gpu/metrics.ndjson")), "they are archived all the same");
        jenkins.environment.put("FAKE_NO_DIGEST", "yes");
        Build killed = build("profileApp(image: 'app:1', id: 'killed')");
        assertTrue(killed.log().contains("fake report of <./cpu/metrics.ndjson ./gpu/metrics.ndjson >"), killed.log());
    }

    @Test
    void theDatabaseGetsAllSamples() throws Exception {
        jenkins.credentials.put("profiles-url", "url");
        jenkins.environment.put("FAKE_DB", "url");
        Build build = build("profileApp(image: 'app:1', databaseCredentialsId: 'profiles-url')");
        assertEquals("SUCCESS", build.result, build.log());
        assertTrue(build.log().contains("<./cpu/digest.json ./cpu/metrics.ndjson ./gpu/digest.json ./gpu/metrics.ndjson >"),
                build.log());
    }

    @Test
    void aCheckIsPublishedWhereThePluginIs() throws Exception {
        assertFalse(build("profileApp(image: 'app:1')").log().contains("[check"), "the plugin may not be there");
        jenkins.plugins.add("checks-api");
        Build build = build("profileApp(image: 'app:1', id: 'night')");
        assertEquals("SUCCESS", build.result, build.log());
        assertTrue(build.log().contains("[check {conclusion=SUCCESS, detailsURL=http://jenkins.example/job/app/7/artifact/"
                + "profile-night/index.html, name=night: Profile, status=COMPLETED, summary=    fake summary <b>, title=over budget}]"),
                build.log());
    }

    @Test
    void severalCallsOfOneBuildKeepApart() throws Exception {
        Build build = build("profileApp(image: 'app:1')\ndef night = profileApp(image: 'app:2', id: 'night')\necho night.report");
        assertEquals("SUCCESS", build.result, build.log());
        assertTrue(build.stages.containsAll(List.of("Profile: plan", "night: Profile: plan", "gpu", "night: gpu")),
                build.stages.toString());
        assertTrue(Files.exists(build.artifacts.resolve("profile/gpu/run.json")));
        assertTrue(Files.exists(build.artifacts.resolve("profile-night/gpu/run.json")));
        assertTrue(build.log().contains("/artifact/profile-night/index.html"), build.log());
        Build together = build("parallel a: { profileApp(image: 'app:1', id: 'a') }, b: { profileApp(image: 'app:2', id: 'b') }");
        assertEquals("SUCCESS", together.result, together.log());
    }

    @Test
    void aLockIsHeldWhileATargetRuns() throws Exception {
        FakeWorker.plan(jenkins, "gpu:jetson:0");
        Build without = build("profileApp(image: 'app:1')");
        assertEquals("SUCCESS", without.result, "the plugin may not be there");
        jenkins.plugins.add("lockable-resources");
        Build build = build("profileApp(image: 'app:1', lock: 'orin-1')");
        assertEquals("SUCCESS", build.result, build.log());
        int acquired = build.log().indexOf("[lock orin-1 acquired]");
        int ran = build.log().indexOf("fake run");
        int released = build.log().indexOf("[lock orin-1 released]");
        assertTrue(0 < acquired && acquired < ran && ran < released, build.log());
    }

    @ParameterizedTest
    @ValueSource(strings = {"profileapp plan", "profileapp run", "wait for the worker", "profileapp report", "profileapp store"})
    void aRestartOfTheControllerLosesNothing(String step) throws Exception {
        jenkins.credentials.put("profiles-url", "url");
        jenkins.environment.put("FAKE_DB", "url");
        FakeWorker.plan(jenkins, "gpu:jetson:1", "cpu:orin:0", "any::0");
        jenkins.restartsAt.add(step);
        Build build = build("def result = profileApp(image: 'app:1', databaseCredentialsId: 'profiles-url')\n"
                + "assert result.targets.any && result.targets.cpu && result.targets.gpu");
        assertEquals("UNSTABLE", build.result, build.log());
        assertTrue(build.log().contains("Resuming build after Jenkins restart"), build.log());
        assertEquals(3, build.testsPassed, build.log());
        assertEquals(1, build.archivings.get("profile/gpu/metrics.ndjson"), build.archivings.toString());
        assertTrue(Files.exists(build.artifacts.resolve("profile/index.html")));
        assertTrue(build.description.contains("fake summary"));
    }

    @Test
    void anAgentThatGoesAwayIsTriedOnceMore() throws Exception {
        FakeWorker.plan(jenkins, "gpu:nano:0", "cpu:orin:0");
        jenkins.losesAgentAt.put("nano", "profileapp run");
        Build build = build("profileApp(image: 'app:1')");
        assertEquals("SUCCESS", build.result, build.log());
        assertTrue(build.log().contains("Agent nano was deleted") && build.log().contains("Retrying"), build.log());
        assertEquals(2, build.testsPassed, "each target once");
        assertTrue(Files.exists(build.artifacts.resolve("profile/gpu/run.json")));
    }

    @ParameterizedTest
    @CsvSource({"app, SUCCESS, claims=<1>", "other, FAILURE, but the Jenkinsfile says app: 'other'"})
    void aJenkinsfileMayNameItsApp(String name, String result, String expected) throws Exception {
        jenkins.credentials.put("profiles-url", "url");
        jenkins.environment.put("FAKE_DB", "url");
        Build build = build("profileApp(image: 'app:1', app: '" + name + "', databaseCredentialsId: 'profiles-url')");
        assertEquals(result, build.result, build.log());
        assertTrue(build.log().contains(expected), build.log());
    }

    @Test
    void whatIsReturnedNamesTheFolderOfTheResults() throws Exception {
        jenkins.plugins.add("plot");
        Build build = build("node('linux') { checkout scm\n def profile = profileApp(image: 'app:1')\n"
                + "assert profile.result == 'SUCCESS' && profile.targets['gpu'].result == 'SUCCESS'\n"
                + "dir(profile.folder) { plot csvSeries: [[file: 'profile/outcome.json']] } }");
        assertEquals("SUCCESS", build.result, build.log());
        assertTrue(build.log().contains("[plot {"), build.log());
        assertNotNull(build.description);
    }

    @Test
    void twoStagesOnOneNodeDoNotOverwriteEachOthersBridge() throws Exception {
        FakeWorker.plan(jenkins, "a::0", "b::0", "c::0", "d::0", "e::0", "f::0", "g::0", "h::0");
        for (int round = 0; round < 3; round++) {
            Build build = build("profileApp(image: 'app:1')");
            assertEquals("SUCCESS", build.result, build.log());
        }
    }
}
