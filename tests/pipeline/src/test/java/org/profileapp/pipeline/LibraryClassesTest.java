package org.profileapp.pipeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Unit tests of each class in src/, with CPS and sandbox as in Jenkins. */
class LibraryClassesTest {
    private static final int LINES_LIMIT = 150;
    private static final List<String> CLASSES = List.of(
            "Checks", "Credentials", "Inputs", "Keys", "Outcome", "Plan", "Results", "Revision", "Settings",
            "Spelling", "StepPart", "Worker");

    @TempDir
    Path folder;

    private Build run(String script) throws Exception {
        Path repository = Files.createDirectories(folder.resolve("repository"));
        Jenkins jenkins = new Jenkins(folder).agent("one", 1, "linux");
        jenkins.credentials.put("a", "value of a");
        jenkins.credentials.put("r", "ann:word");
        Build build = jenkins.build("import org.profileapp.*\n" + script, repository);
        assertEquals("SUCCESS", build.result, build.log());
        return build;
    }

    @Test
    void everyClassHasATestAndNoFileIsLong() throws Exception {
        TreeSet<String> found = new TreeSet<>();
        for (String root : List.of("vars", "src")) {
            try (Stream<Path> files = Files.walk(Jenkins.ROOT.resolve(root))) {
                for (Path file : files.filter(each -> each.toString().endsWith(".groovy")).toList()) {
                    int lines = Files.readAllLines(file).size();
                    assertTrue(lines <= LINES_LIMIT, file + " has " + lines + " lines");
                    found.add(file.getFileName().toString().replace(".groovy", ""));
                }
            }
        }
        found.remove("profileApp");
        assertEquals(CLASSES, List.copyOf(found));
    }

    @Test
    void keysHaveDefaults() throws Exception {
        run("def keys = Keys.defaults()\nassert keys.config == 'sage.yaml' && keys.targets == [] && !keys.interleave\n"
                + "for (name in Keys.RENAMED.keySet()) { assert keys.containsKey(Keys.RENAMED.get(name)) }\n"
                + "for (name in Keys.CHOICES.keySet()) { assert Keys.CHOICES.get(name).contains(keys.get(name)) }");
    }

    @Test
    void settingsAreStringsListsAndBooleans() throws Exception {
        run("def x = 2\ndef some = Settings.of(image: \"app:${x}\", targets: [\"t${x}\"], id: 'n', baseline: null)\n"
                + "assert some.problem == '' && some.image == 'app:2' && some.targets == ['t2'] && some.baseline == ''\n"
                + "assert some.stash == 'profileapp.n.' && some.saved == '' && some.config == 'sage.yaml'\n"
                + "def saved = Settings.of(config: 'ann/app/night', databaseCredentialsId: 'db')\n"
                + "assert saved.saved == 'ann/app/night' && saved.config == 'sage.yaml'\n"
                + "assert Settings.of(config: 'a/b/c.yaml').config == 'a/b/c.yaml'\n"
                + "assert Settings.of(build: 'a/../../b').problem.contains('a path in the workspace')");
    }

    @Test
    void aCheckSaysWhatTheOutcomeIs() throws Exception {
        run("def check = Checks.of([result: 'UNSTABLE'], [verdict: 'over budget', summary: '[fps](x)'], 'night: Profile')\n"
                + "assert check == [name: 'night: Profile', title: 'over budget', summary: '    [fps](x)', conclusion: 'FAILURE']\n"
                + "assert Checks.of([result: 'SUCCESS'], [summary: 's'], 'p').conclusion == 'SUCCESS'\n"
                + "assert Checks.of([result: 'FAILURE'], [summary: 's'], 'p').title == 'done'");
    }

    @Test
    void aMistypedNameIsMatchedWithTheClosest() throws Exception {
        run("assert Spelling.edits('kitten', 'sitting') == 3 && Spelling.edits('imgae', 'image') == 1\n"
                + "assert Spelling.edits('', 'abc') == 3 && Spelling.edits('abc', '') == 3 && Spelling.edits('a', 'a') == 0\n"
                + "assert Spelling.closest('Tragets', ['image', 'targets']) == 'targets'\n"
                + "assert Spelling.closest('ab', ['xy']) == '' && Spelling.closest('', ['id']) == ''\n"
                + "assert Spelling.closest('imageimageimageimageimageimageimageimageimage', ['image']) == ''");
    }

    @Test
    void aPlanIsPlainMapsAndIsChecked() throws Exception {
        run("def plan = Plan.parse('{\"app\":{\"name\":\"a\"},\"groups\":[{\"name\":\"g\",\"secrets\":[{\"credential\":\"k\"}]}]}')\n"
                + "node { sh 'true' }\n"
                + "def any = [app: '', credentialsIds: ['k']]\n"
                + "assert Plan.problemWith(plan, any) == ''\n"
                + "assert Plan.problemWith(plan, [app: '', credentialsIds: []]).contains(\"asks for the credential 'k'\")\n"
                + "assert Plan.problemWith(plan, [app: 'b', credentialsIds: ['k']]).contains(\"the Jenkinsfile says app: 'b'\")\n"
                + "assert Plan.parse('') == [:] && Plan.parse('[1]') == [:]\n"
                + "assert Plan.folderOf('a/b/c') == 'a/b' && Plan.folderOf('c') == '.' && Plan.fileOf('a/b/c') == 'c'\n"
                + "assert Plan.titleOf('x', [id: '']) == 'x' && Plan.titleOf('x', [id: 'n']) == 'n: x'");
    }

    @Test
    void anOutcomeIsTheWorkersOrNone() throws Exception {
        Build build = run("def good = '{\"version\":1,\"result\":\"UNSTABLE\",\"message\":\"m\",\"exit_code\":1,\"targets\":{}}'\n"
                + "assert Outcome.parse(good, 1, 't').message == 'm'\n"
                + "for (text in ['', '{}', '[]', '{\"version\":2,\"result\":\"SUCCESS\"}', '{\"version\":1,\"result\":\"GREAT\"}']) {\n"
                + "  def none = Outcome.parse(text, 0, 't')\n"
                + "  assert none.result == 'FAILURE' && none.exit_code == 4 && none.message.startsWith('t: could not measure')\n"
                + "}\n"
                + "node { writeFile(file: 'o.json', text: good); assert Outcome.read(this, 'o.json', 1, 't').result == 'UNSTABLE'\n"
                + "  assert Outcome.read(this, 'none.json', 2, 't').message.contains('exit code 2') }\n"
                + "Outcome.apply(this, [result: 'SUCCESS', message: 'only said'])");
        assertTrue(build.log().contains("profileApp: only said"), build.log());
    }

    @Test
    void aRevisionIsAskedOfGitWhereNobodySays() throws Exception {
        run("node { assert Revision.of(this, [:]) == ['GIT_COMMIT=', 'GIT_BRANCH=']\n"
                + "  sh 'git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m first'\n"
                + "  sh 'git update-ref refs/remotes/origin/HEAD HEAD && git update-ref refs/remotes/origin/a/b HEAD'\n"
                + "  def found = Revision.of(this, [:])\n"
                + "  assert found[0].matches('GIT_COMMIT=[0-9a-f]{40}') && found[1] == 'GIT_BRANCH=a/b'\n"
                + "  assert Revision.of(this, [GIT_COMMIT: 'c', GIT_BRANCH: 'origin/x']) == ['GIT_COMMIT=c', 'GIT_BRANCH=origin/x'] }");
    }

    @Test
    void credentialsAreInTheEnvironmentOfWhatNeedsThemAlone() throws Exception {
        Build build = run("def some = new Credentials(this, [registryCredentialsId: 'r', credentialsIds: ['a'], databaseCredentialsId: 'a'])\n"
                + "some.check()\n"
                + "node { some.within([[credential: 'a', env_var: 'KEY']]) { sh 'test \"$KEY\" = \"value of a\" && test $PROFILEAPP_REGISTRY_USER = ann' }\n"
                + "  some.withDatabase('a') { sh 'test \"$PROFILEAPP_DB\" = \"value of a\" && test $PROFILEAPP_EXTRAS = store,postgres' }\n"
                + "  some.withDatabase('') { sh 'test -z \"${PROFILEAPP_DB:-}\"' }\n"
                + "  sh 'test -z \"${KEY:-}${PROFILEAPP_REGISTRY_USER:-}\"' }");
        assertTrue(!build.log().contains("value of a") || build.log().contains("****"), build.log());
    }

    @Test
    void theWorkersFolderIsBesideTheWorkspaceAndEmpty() throws Exception {
        run("node { def worker = new Worker(this, Settings.of(id: 'n'))\n"
                + "  def place = worker.unpack('plan')\n"
                + "  assert place == env.WORKSPACE + '@tmp/profileapp-n/plan'\n"
                + "  dir(place) { writeFile(file: 'old', text: ''); assert fileExists('bridge/worker.sh') && fileExists('bridge/VERSION') }\n"
                + "  worker.unpack('plan')\n"
                + "  dir(place) { assert !fileExists('old') }\n"
                + "  dir('sub') { assert worker.unpack('plan') == place } }");
    }

    @Test
    void inputsAreCarriedApart() throws Exception {
        run("def config = Settings.of(config: 'sub/sage.yaml', imageArchive: 'image.tar')\n"
                + "def inputs = new Inputs(this, config)\n"
                + "node { writeFile(file: 'sub/sage.yaml', text: ''); writeFile(file: 'sub/data/a', text: ''); writeFile(file: 'image.tar', text: '')\n"
                + "  inputs.stash([files: ['sage.yaml', 'data/**']])\n"
                + "  dir('other') { inputs.unstash()\n"
                + "    assert fileExists('files/sage.yaml') && fileExists('files/data/a') && fileExists('image/image.tar') } }");
    }

    @Test
    void resultsAreArchivedAndDescribed() throws Exception {
        Build build = run("def results = new Results(this, Settings.of([:]))\n"
                + "def targets = [:]\n"
                + "node { writeFile(file: 'profile/gpu/run.json', text: '{}'); writeFile(file: 'profile/gpu/metrics.ndjson', text: 'x')\n"
                + "  def outcome = results.keep([targets: ['gpu']], 7, targets)\n"
                + "  assert outcome.result == 'FAILURE' && targets.gpu.archived && targets.gpu.exitCode == 4\n"
                + "  dir('other') { results.collect(targets); assert readFile('profile/gpu/metrics.ndjson') == 'x' }\n"
                + "  writeFile(file: 'profile/gpu/digest.json', text: '{}')\n"
                + "  results.keep([targets: ['gpu']], 7, targets)\n"
                + "  dir('small') { results.collect(targets)\n"
                + "    assert fileExists('profile/gpu/digest.json') && !fileExists('profile/gpu/metrics.ndjson') } }\n"
                + "assert results.url('a') == 'http://jenkins.example/job/app/7/artifact/profile/a'\n"
                + "assert Results.descriptionOf([summary: 's', description: ''], '') == 's'\n"
                + "assert Results.descriptionOf([description: 'd', verdict: 'passed'], 'u/').startsWith('<a href=\"u/index.html\">')");
        assertTrue(Files.exists(build.artifacts.resolve("profile/gpu/metrics.ndjson")));
    }
}
