package org.profileapp.pipeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The harness refuses everything that Jenkins refuses; otherwise a passing pipeline test would prove nothing. */
class HarnessTest {
    @TempDir
    Path folder;

    private Build run(String script) throws Exception {
        Path repository = Files.createDirectories(folder.resolve("repository"));
        return new Jenkins(folder).agent("one", 2, "linux").build(script, repository);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            System.exit(3)                                       | staticMethod java.lang.System exit
            new File('/etc/passwd').text                         | new java.io.File
            'id'.execute()                                       | method java.lang.String execute
            ''.class.forName('java.lang.Runtime')                | java.lang
            [1].getClass().classLoader                           | java.util.ArrayList
            env.getClass()                                       | -
            """)
    void aCallThatIsNotWhitelistedIsRefused(String script, String told) throws Exception {
        Build build = run(script);
        if (told.equals("-")) {
            return; // a global variable answers for itself
        }
        assertEquals("FAILURE", build.result, build.log());
        assertTrue(build.log().contains("not permitted"), build.log());
        assertTrue(build.log().contains(told), build.log());
    }

    @Test
    void aStepInCodeThatIsNotCpsIsRefused() throws Exception {
        Build build = run("@NonCPS\ndef bad() { sh 'true' }\nnode { bad() }");
        assertEquals("FAILURE", build.result);
        assertTrue(build.log().contains("step sh was called from") && build.log().contains("not CPS"), build.log());
    }

    @Test
    void stateThatCannotBeSavedIsRefused() throws Exception {
        Build build = run("@NonCPS\ndef slurp() { new groovy.json.JsonSlurper().parseText('{\"a\": {\"b\": 1}}') }\n"
                + "def data = slurp()\nnode { sh 'true' }\necho data.a.b + ''");
        assertEquals("FAILURE", build.result);
        assertTrue(build.log().contains("cannot be saved"), build.log());
        assertTrue(build.log().contains("LazyMap"), build.log());
    }

    @Test
    void aRestartGoesOnWithWhatWasSaved() throws Exception {
        Path repository = Files.createDirectories(folder.resolve("repository"));
        Jenkins jenkins = new Jenkins(folder).agent("one", 2, "linux");
        jenkins.restartsAt.add("restart");
        Build build = jenkins.build("""
                class Box implements Serializable { transient Object lost = 'x'; Object kept = 'y' }
                def box = new Box()
                def shared = [:]
                def global = env.BUILD_NUMBER
                retry(2) {
                    parallel a: { node('linux') {
                                 sh label: 'restart', encoding: 'UTF-8', script: 'for i in $(seq 100); do [ -e ../b ] && exit 0; sleep 0.1; done'
                                 shared.a = 1 } },
                             b: { node('linux') { sh 'touch ../b'; sh 'sleep 1'; shared.b = 2 } }
                }
                assert box.lost == null && box.kept == 'y', 'after a restart there is only what was saved'
                assert shared == [a: 1, b: 2], 'branches and the program still share what they shared'
                assert env.BUILD_NUMBER == global
                """, repository);
        assertEquals("SUCCESS", build.result, build.log());
        assertTrue(build.log().contains("Resuming build after Jenkins restart"), build.log());
    }

    @Test
    void branchesOverlapAndHaveWorkspacesOfTheirOwn() throws Exception {
        Build build = run("""
                def branch(name, other) {
                    return { node('linux') {
                        sh 'touch ../' + name + '; for i in $(seq 200); do [ -e ../' + other + ' ] && exit 0; sleep 0.05; done; exit 1'
                        writeFile file: 'who', text: name
                        assert readFile('who') == name
                    } }
                }
                parallel a: branch('a', 'b'), b: branch('b', 'a')
                """);
        assertEquals("SUCCESS", build.result, build.log());
        assertTrue(Files.exists(folder.resolve("agents/one/ws@2/who")));
    }

    @Test
    void stashesCrossAgentsAndNothingElseDoes() throws Exception {
        Path repository = Files.createDirectories(folder.resolve("repository"));
        Build build = new Jenkins(folder).agent("one", 1).agent("two", 1).build("""
                node('one') { writeFile file: 'a/b.txt', text: 'x'; writeFile file: 'c.txt', text: 'y'
                              stash name: 's', includes: 'a/**' }
                node('two') { assert !fileExists('a/b.txt'); unstash 's'
                              assert readFile('a/b.txt') == 'x'; assert !fileExists('c.txt') }
                """, repository);
        assertEquals("SUCCESS", build.result, build.log());
    }
}
