package org.profileapp.pipeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** profileApp() with a fake worker: plans, exit codes, aborts and hostile values. */
class ProfileAppTest {
    @TempDir
    Path folder;

    private Path repository;
    private Jenkins jenkins;

    @BeforeEach
    void makeAgents() throws Exception {
        repository = Files.createDirectories(folder.resolve("repository"));
        Files.writeString(repository.resolve("sage.yaml"), "name: app\n");
        jenkins = new Jenkins(folder).agent("controller", 1, "linux").agent("nano", 1, "jetson").agent("orin", 1, "jetson");
        FakeWorker.install(jenkins);
        targets("gpu::0", "cpu::0");
    }

    /** Targets that the fake worker plans: NAME:AGENT:EXIT CODE. */
    private void targets(String... targets) {
        FakeWorker.plan(jenkins, targets);
    }

    private Build build(String script) throws Exception {
        return jenkins.build(script, repository);
    }

    @Test
    void oneLineDoesItAll() throws Exception {
        targets("gpu:jetson:0", "cpu:jetson:0", "any::0");
        Build build = build("@Library('profileapp') _\n\nprofileApp(image: 'app:1')\n");
        assertEquals("SUCCESS", build.result, build.log());
        assertEquals(List.of("Profile: plan", "Profile: summary"),
                build.stages.stream().filter(name -> name.startsWith("Profile")).toList());
        assertTrue(build.stages.containsAll(List.of("gpu", "cpu", "any")));
        assertTrue(build.usedAgents.contains("nano") && build.usedAgents.contains("orin"), build.usedAgents.toString());
        assertTrue(Files.exists(build.artifacts.resolve("profile/gpu/junit.xml")));
        assertTrue(Files.exists(build.artifacts.resolve("profile/index.html")));
        assertEquals(3, build.testsPassed);
        String profile = "http://jenkins.example/job/app/7/artifact/profile/";
        assertEquals("<a href=\"" + profile + "index.html\"><img src=\"" + profile + "badge.svg\" "
                + "alt=\"Profile: over budget\"></a> fake summary &lt;b&gt;", build.description);
        assertTrue(build.attached.isEmpty(), "the plugin may not be there");
    }

    @Test
    void logsAndPlotsAreAttachedToTestCasesWhereThatIsAskedFor() throws Exception {
        jenkins.plugins.add("junit-attachments");
        Build build = build("profileApp(image: 'app:1', attachments: true)");
        assertEquals("SUCCESS", build.result, build.log());
        assertEquals(List.of("profile/attachments.xml"), build.attached);
        assertEquals(3, build.testsPassed, "two runs and the page");
    }

    @Test
    void aSecondCallAddsALineToTheDescription() throws Exception {
        Build build = build("profileApp(image: 'app:1', targets: ['gpu'])\nprofileApp(image: 'app:1', targets: ['cpu'])");
        assertEquals(2, build.description.split("<br>").length, build.description);
    }

    @Test
    void targetsOfOneLabelShareAStageWhereTheirRepeatsShallAlternate() throws Exception {
        secret("open sesame");
        targets("gpu:jetson:0", "any::0", "cpu:jetson:0");
        String secret = jenkins.environment.get("FAKE_SECRETS");
        String together = "{\"name\":\"gpu, cpu\",\"agent\":\"jetson\",\"targets\":[\"gpu\",\"cpu\"],\"secrets\":[" + secret + "]}";
        jenkins.environment.put("FAKE_GROUPS", together
                + ",{\"name\":\"any\",\"agent\":\"\",\"targets\":[\"any\"],\"secrets\":[" + secret + "]}");
        Build build = build("def result = profileApp(image: 'app:1', interleave: true, credentialsIds: ['the-key'])\n"
                + "assert result.targets['gpu'].exitCode == 0 && result.targets['cpu'].exitCode == 0");
        assertEquals("SUCCESS", build.result, build.log());
        assertTrue(build.stages.containsAll(List.of("gpu, cpu", "any")), build.stages.toString());
        assertTrue(build.log().contains("fake targets <gpu cpu>"), build.log());
        assertTrue(build.log().contains("fake targets <any>"), build.log());
        assertEquals(2, build.log().split("fake key=<\\*\\*\\*\\*>", -1).length - 1, build.log());
        assertEquals(3, build.testsPassed);
        for (String name : List.of("gpu", "cpu", "any")) {
            assertTrue(Files.exists(build.artifacts.resolve("profile/" + name + "/junit.xml")), name);
        }
        targets("gpu:jetson:0", "cpu:jetson:1");
        jenkins.environment.put("FAKE_GROUPS", together);
        Build broken = build("profileApp(image: 'app:1', interleave: true, credentialsIds: ['the-key'])");
        assertEquals("UNSTABLE", broken.result, broken.log());
        assertTrue(broken.log().contains("gpu cpu: a budget is violated"), broken.log());
    }

    @Test
    void insideANodeWithOneExecutorItDoesNotWaitForItself() throws Exception {
        targets("gpu:linux:0", "cpu::0", "far:jetson:0");
        Build build = build("node('linux') { checkout scm\n def result = profileApp(image: 'app:1')\n"
                + "assert result.targets['gpu'].exitCode == 0\n assert result.exitCode == 0\n"
                + "echo result.report\n echo result.summary }");
        assertEquals("SUCCESS", build.result, build.log());
        assertTrue(build.log().contains("http://jenkins.example/job/app/7/artifact/profile/index.html"));
        assertTrue(build.log().contains("fake summary"));
        assertEquals(2, build.usedAgents.size(), build.usedAgents.toString());
    }

    @Test
    void aReportThatCannotBeMadeFailsTheBuildAndHidesNothing() throws Exception {
        targets("gpu::2", "cpu::0");
        jenkins.environment.put("FAKE_NO_REPORT", "yes");
        Build build = build("profileApp(image: 'app:1')");
        assertEquals("FAILURE", build.result);
        assertTrue(build.log().contains("no report could be made"), build.log());
        assertTrue(build.error.getMessage().contains("gpu: the app failed"), build.log());
    }

    @Test
    void whatAnAdministratorSetOnTheAgentHolds() throws Exception {
        jenkins.environment.put("PROFILEAPP_WHEELS", "/srv/wheels");
        jenkins.environment.remove("BUILD_URL");
        Build build = build("profileApp(image: 'app:1')");
        assertTrue(build.log().contains("wheels=</srv/wheels>"), build.log());
        assertEquals("fake summary &lt;b&gt;", build.description, "no relative link is right on the job's page too");
        Build other = build("profileApp(image: 'app:1', wheels: '/opt/wheels')");
        assertTrue(other.log().contains("wheels=</opt/wheels>"), other.log());
    }

    @ParameterizedTest
    @CsvSource({
        "1, '',                        UNSTABLE, a budget is violated",
        "1, onBudget: 'fail',          FAILURE,  a budget is violated",
        "1, onBudget: 'ignore',        SUCCESS,  a budget is violated",
        "2, '',                        FAILURE,  the app failed",
        "2, onAppFailure: 'unstable',  UNSTABLE, the app failed",
        "3, '',                        FAILURE,  the configuration is wrong",
        "4, onBudget: 'ignore',        FAILURE,  the agent could not measure",
        "143, '',                      FAILURE,  the run was aborted",
    })
    void exitCodesMakeTheResult(int code, String key, String result, String told) throws Exception {
        targets("gpu::" + code, "cpu::0");
        Build build = build("profileApp(image: 'app:1'" + (key == null || key.isEmpty() ? "" : ", " + key) + ")");
        assertEquals(result, build.result, build.log());
        assertTrue(build.log().contains("gpu: " + told), build.log());
        boolean measured = code != 3 && code != 4;
        assertEquals(measured, Files.exists(build.artifacts.resolve("profile/gpu/junit.xml")), "kept though it went wrong");
        assertTrue(Files.exists(build.artifacts.resolve("profile/cpu/junit.xml")), "the other target goes on");
        assertTrue(Files.exists(build.artifacts.resolve("profile/index.html")), "summed up though it went wrong");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            imgae: 'x'         | unknown key 'imgae'; did you mean 'image'?
            onbudget: 'fail'   | unknown key 'onbudget'; did you mean 'onBudget'?
            target: []         | unknown key 'target'; did you mean 'targets'?
            credentialIds: []  | unknown key 'credentialIds'; did you mean 'credentialsIds'?
            resolution: 'x'    | unknown key 'resolution'; allowed: image, build
            x: 'x'             | unknown key 'x'; allowed: image, build
            load: 'x'          | unknown key 'load'; did you mean 'imageArchive'?
            registryLogin: 'x' | unknown key 'registryLogin'; did you mean 'registryCredentialsId'?
            database: 'x'      | unknown key 'database'; did you mean 'databaseCredentialsId'?
            earlier: 'x'       | unknown key 'earlier'; did you mean 'baselineDir'?
            credentials: []    | unknown key 'credentials'; did you mean 'credentialsIds'?
            onBudget: 'explode'| onBudget is 'explode'; allowed: unstable, fail, ignore
            runtime: 'podman'  | runtime is 'podman'; allowed: docker, process
            config: 'a/b/c'    | a saved configuration needs the key databaseCredentialsId
            baseline: 'main'   | baseline needs the key databaseCredentialsId or baselineDir
            baselineSince: '2026-11-24' | baselineSince needs the key baseline
            baselineDir: 'x'   | baselineDir needs the key baseline
            credentialsIds: 'key' | credentialsIds is 'key'; allowed: a list of texts
            attachments: 'yes' | attachments is 'yes'; allowed: true, false
            image: 5           | image is '5'; allowed: text
            id: 'a.b'          | id is 'a.b'; allowed: at most 30 letters, digits and -
            build: '.', imageArchive: 'x' | build and imageArchive exclude one another
            build: '../x'      | build is '../x'; allowed: a path in the workspace
            imageArchive: '/etc/x' | imageArchive is '/etc/x'; allowed: a path in the workspace
            imageArchive: '**' | imageArchive is '**'; allowed: a path in the workspace
            build: '.', runtime: 'process' | the runtime 'process' needs no build or imageArchive
            runtime: 'process' | the runtime 'process' needs the key command
            command: 'x'       | command needs runtime: 'process'
            targets: 'gpu'     | targets is 'gpu'; allowed: a list of texts
            """)
    void whatIsNotKnownIsRefusedBeforeAnythingRuns(String key, String told) throws Exception {
        Build build = build("profileApp(" + key + ")");
        assertEquals("FAILURE", build.result);
        assertTrue(build.log().contains(told), build.log());
        assertTrue(build.usedAgents.isEmpty());
    }

    @Test
    void aWrongConfigurationFailsThePlanWithTheWorkersWords() throws Exception {
        jenkins.environment.put("FAKE_PLAN_ERROR", "sage.yaml:3:5: profiling.targets[1].timout is not a known key");
        Build build = build("profileApp(image: 'app:1')");
        assertEquals("FAILURE", build.result);
        assertTrue(build.log().contains("sage.yaml:3:5"), build.log());
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "$(touch pwned)", "`touch pwned`", "; touch pwned", "' ; touch pwned ; '", "a\\nb", "\\\"; touch pwned; \\\"", "*",
    })
    void noValueReachesAShellByInterpolation(String value) throws Exception {
        Files.createDirectories(repository.resolve("sub"));
        Files.writeString(repository.resolve("sub/sage.yaml"), "name: app\n");
        Build build = build("profileApp(image: \"" + value.replace("$", "\\$") + "\", targets: [\"gpu\", \""
                + value.replace("$", "\\$") + "\"], config: 'sub/sage.yaml')");
        assertEquals("SUCCESS", build.result, build.log());
        try (var found = Files.walk(folder)) {
            assertTrue(found.noneMatch(file -> file.getFileName().toString().equals("pwned")));
        }
        String expected = value.replace("\\n", "\n").replace("\\\"", "\"");
        assertTrue(build.log().contains("fake run image=<" + expected + ">"), build.log());
    }

    @Test
    void aTimeoutKeepsWhatWasMeasured() throws Exception {
        targets("slow:jetson:0");
        jenkins.environment.put("FAKE_SLEEP", "slow");
        jenkins.environment.put("FAKE_STARTED", folder.resolve("slow-runs").toString());
        jenkins.timeoutBegins = folder.resolve("slow-runs");
        Build build = build("timeout(time: 1) { profileApp(image: 'app:1') }");
        assertEquals("ABORTED", build.result, build.log());
        assertTrue(build.log().contains("due to timeout"), build.log());
        assertEquals("aborted\n", Files.readString(build.artifacts.resolve("profile/slow/run.json")), build.log());
        assertTrue(Files.exists(build.artifacts.resolve("profile/index.html")), "and the report of it");
    }

    @Test
    void anAbortKeepsWhatWasMeasured() throws Exception {
        targets("slow:jetson:0", "quick:jetson:0");
        jenkins.environment.put("FAKE_SLEEP", "slow");
        Thread aborter = new Thread(() -> {
            try {
                for (int i = 0; i < 600 && !Files.exists(folder.resolve("slow-runs")); i++) {
                    Thread.sleep(50);
                }
                Thread.sleep(1000);
            } catch (InterruptedException error) {
                return;
            }
            jenkins.abort();
        });
        jenkins.environment.put("FAKE_STARTED", folder.resolve("slow-runs").toString());
        aborter.start();
        Build build = build("profileApp(image: 'app:1')");
        assertEquals("ABORTED", build.result, build.log());
        Path kept = build.artifacts.resolve("profile/slow/run.json");
        assertTrue(Files.exists(kept), build.log());
        assertEquals("aborted\n", Files.readString(kept), "what the worker wrote after SIGTERM, before it ended");
        assertEquals(2, build.testsPassed);
    }

    private static final String URL = "postgresql://ann:secret@db/profiles";

    /** A database at `url`, and the build's credentials for it. */
    private void database(String url) {
        jenkins.credentials.put("profiles-url", URL);
        jenkins.environment.put("FAKE_DB", url);
    }

    @Test
    void runsAreStoredOnceAfterTheSummary() throws Exception {
        database(URL);
        Build build = build("profileApp(image: 'app:1', databaseCredentialsId: 'profiles-url')");
        assertEquals("SUCCESS", build.result, build.log());
        assertEquals(1, build.log().split("fake store profile of <app> claims=<>:", -1).length - 1, build.log());
        assertTrue(build.log().indexOf("[stage Profile: summary]") < build.log().indexOf("fake store"), build.log());
        assertTrue(build.log().contains("gpu"), build.log());
        assertFalse(build.log().contains("secret"), build.log());
    }

    @Test
    void aDatabaseThatCannotBeReachedMakesTheBuildUnstableAndLeavesTheArtifacts() throws Exception {
        database("elsewhere");
        Build build = build("profileApp(image: 'app:1', databaseCredentialsId: 'profiles-url')");
        assertEquals("UNSTABLE", build.result, build.log());
        assertTrue(build.log().contains("profileapp: cannot be reached"), build.log());
        assertTrue(build.log().contains("not all runs are in the database (exit code 4)"), build.log());
        assertTrue(Files.exists(build.artifacts.resolve("profile/index.html")));
        assertTrue(Files.exists(build.artifacts.resolve("profile/gpu/run.json")));
        assertTrue(build.description.contains("fake summary"));
    }

    @ParameterizedTest
    @CsvSource({
        "0, '',                 SUCCESS,  fake summary",
        "1, '',                 UNSTABLE, a number is worse than on main",
        "1, onBudget: 'fail',   FAILURE,  a number is worse than on main",
        "1, onBudget: 'ignore', SUCCESS,  a number is worse than on main",
        "4, '',                 UNSTABLE, could not be compared with earlier runs: gone",
    })
    void numbersAreComparedWithEarlierRuns(int code, String key, String result, String told) throws Exception {
        database(URL);
        jenkins.environment.put("FAKE_WORSE", String.valueOf(code));
        String more = key == null || key.isEmpty() ? "" : ", " + key;
        Build build = build("profileApp(image: 'app:1', baseline: 'main', databaseCredentialsId: 'profiles-url'" + more + ")");
        assertEquals(result, build.result, build.log());
        assertTrue((build.log() + build.description).contains(told), build.log());
        assertTrue(build.log().contains("fake baseline <profile main since= against=>"), build.log());
        assertEquals(code > 1 ? 2 : 3, build.testsPassed, "two runs, and the number where there is one");
        assertTrue(build.log().indexOf("fake baseline") < build.log().indexOf("fake store"), build.log());
        assertTrue(Files.exists(build.artifacts.resolve("profile/index.html")));
    }

    @Test
    void theCommitOfTheCheckoutReachesEveryTargetAlsoInAScriptedPipeline() throws Exception {
        targets("gpu:jetson:0", "cpu::0");
        Build build = build("node { checkout scm; sh 'git init -q . && git -c user.name=a -c user.email=a@b "
                + "commit -q --allow-empty -m first && git rev-parse HEAD && git update-ref refs/remotes/origin/main HEAD'; profileApp(image: 'app:1') }");
        assertEquals("SUCCESS", build.result, build.log());
        Matcher commit = Pattern.compile("(?m)^([0-9a-f]{40})$").matcher(build.log());
        assertTrue(commit.find(), build.log());
        assertEquals(2, build.log().split("fake commit=<" + commit.group(1) + "> branch=< main>", -1).length - 1, build.log());
    }

    @Test
    void earlierRunsMayLieInAFolderOfTheWorkspace() throws Exception {
        Build build = build("profileApp(image: 'app:1', baseline: 'main', baselineDir: 'builds of main')");
        assertEquals("SUCCESS", build.result, build.log());
        assertTrue(build.log().contains("/builds of main>"), build.log());
    }

    @Test
    void earlierRunsMayCountFromADayOn() throws Exception {
        Build build = build("profileApp(image: 'app:1', baseline: 'main', baselineSince: '2026-11-24', baselineDir: '/e')");
        assertEquals("SUCCESS", build.result, build.log());
        assertTrue(build.log().contains("fake baseline <profile main since=2026-11-24 against=/e>"), build.log());
    }

    @Test
    void credentialsThatAreNotThereFailTheBuildBeforeAnythingIsMeasured() throws Exception {
        Build build = build("profileApp(image: 'app:1', databaseCredentialsId: 'nowhere')");
        assertEquals("FAILURE", build.result, build.log());
        assertTrue(build.log().contains("Could not find credentials entry with ID 'nowhere'"), build.log());
        assertFalse(build.log().contains("fake run"), build.log());
    }

    @Test
    void aSavedConfigurationIsMergedOnceAndAllAgentsGoByIt() throws Exception {
        database(URL);
        targets("gpu:jetson:0", "cpu::0");
        Build build = build("profileApp(image: 'app:1', config: 'alice/app/night', databaseCredentialsId: 'profiles-url')");
        assertEquals("SUCCESS", build.result, build.log());
        assertTrue(build.log().contains("fake run image=<app:1> wheels=<> file=<files/profileapp-merged.yaml>"), build.log());
    }

    @Test
    void aSavedConfigurationThatCannotBeHadFailsThePlan() throws Exception {
        database("elsewhere");
        Build build = build("profileApp(image: 'app:1', config: 'alice/app/night', databaseCredentialsId: 'profiles-url')");
        assertEquals("FAILURE", build.result, build.log());
        assertFalse(build.log().contains("fake run"), build.log());
    }

    /** The fake worker's plan for a service of each target. */
    private void secret(String value) {
        jenkins.credentials.put("the-key", value);
        jenkins.credentials.put("other", "nobody's");
        jenkins.environment.put("FAKE_SECRETS",
                "{\"variable\":\"KEY\",\"credential\":\"the-key\",\"env_var\":\"PROFILEAPP_SECRET_the_key\"}");
    }

    @Test
    void aCredentialReachesTheWorkerAndNoLog() throws Exception {
        secret("open sesame");
        targets("gpu:jetson:0", "cpu::0");
        Build build = build("profileApp(image: 'app:1', credentialsIds: ['other', 'the-key'])");
        assertEquals("SUCCESS", build.result, build.log());
        assertEquals(2, build.log().split("fake key=<\\*\\*\\*\\*>", -1).length - 1, build.log());
        assertFalse(build.log().contains("open sesame"), build.log());
    }

    @Test
    void theLoginOfARegistryReachesPlanAndRunAndNoLog() throws Exception {
        jenkins.credentials.put("hub", "ali:open sesame");
        Build build = build("profileApp(image: 'r.example/app:1', registry: 'r.example', registryCredentialsId: 'hub')");
        assertEquals("SUCCESS", build.result, build.log());
        assertEquals(2, build.log().split("fake login=<r.example ali \\*\\*\\*\\*>", -1).length - 1, build.log());
        assertFalse(build.log().contains("open sesame"), build.log());
        Build other = build("profileApp(image: 'r.example/app:1')");
        assertTrue(other.log().contains("fake login=<  >"), other.log());
    }

    @Test
    void eachAgentBuildsOrLoadsTheImage() throws Exception {
        Files.createDirectories(repository.resolve("docker"));
        Files.writeString(repository.resolve("docker/Dockerfile"), "FROM scratch\n");
        Files.writeString(repository.resolve("docker/.dockerignore"), "x\n");
        Files.writeString(repository.resolve("image.tar"), "tar");
        targets("gpu:jetson:0");
        Build built = build("profileApp(image: 'app:1', build: 'docker')");
        assertEquals("SUCCESS", built.result, built.log());
        assertTrue(built.log().contains("fake image from <image> <./.dockerignore ./Dockerfile >"), built.log());
        assertTrue(Files.exists(built.artifacts.resolve("profile/build.log")));
        assertTrue(built.log().contains("fake plan archive=<> build=<docker> workspace=<"), built.log());
        Build loaded = build("profileApp(imageArchive: 'image.tar')");
        assertEquals("SUCCESS", loaded.result, loaded.log());
        assertTrue(loaded.log().contains("fake image from <image/image.tar>"), loaded.log());
        assertTrue(loaded.log().contains("fake plan archive=<image.tar> build=<>"), loaded.log());
    }

    @Test
    void aCredentialThatTheJenkinsfileDoesNotAllowIsGivenToNobody() throws Exception {
        secret("open sesame");
        Build build = build("profileApp(image: 'app:1', credentialsIds: ['other'])");
        assertEquals("FAILURE", build.result, build.log());
        assertTrue(build.log().contains("gpu asks for the credential 'the-key'; allow it with credentialsIds: ['the-key']"));
        assertFalse(build.log().contains("fake run"), build.log());
    }

    @Test
    void theVersionIsThatOfThePackage() throws Exception {
        String setup = Files.readString(Jenkins.ROOT.resolve("setup.cfg"));
        String version = Files.readString(Jenkins.ROOT.resolve("resources/profileapp/VERSION")).trim();
        assertTrue(setup.contains("\nversion = " + version + "\n"));
    }

    @Test
    void theHelpNamesEveryKey() throws Exception {
        String help = Files.readString(Jenkins.ROOT.resolve("vars/profileApp.txt"));
        String source = Files.readString(Jenkins.ROOT.resolve("src/org/profileapp/Keys.groovy"));
        var keys = java.util.regex.Pattern.compile("(?m)^            ([a-z]\\w+) *: (?:'|\\[|false)").matcher(source).results()
                .map(match -> match.group(1)).toList();
        assertFalse(keys.isEmpty());
        keys.forEach(key -> assertTrue(help.contains("<code>" + key + "</code>"), key));
    }
}
