package org.profileapp

import com.cloudbees.groovy.cps.NonCPS

/** The effect of a run on the build, from the worker's outcome.json: an exit code may come from a shell. */
class Outcome implements Serializable {
    private static final long serialVersionUID = 1

    /** Reads the file; if it is missing, `code` and `title` are used in the message. */
    static Map read(Object script, String file, Integer code, String title) {
        return parse(script.fileExists(file) ? script.readFile(file: file, encoding: 'UTF-8') : '', code, title)
    }

    /** Applies it to the result of the stage and the build. */
    static void apply(Object script, Map outcome) {
        def text = 'profileApp: ' + outcome.message
        if (outcome.result == 'FAILURE') {
            script.error(text)
        } else if (outcome.result == 'UNSTABLE') {
            script.unstable(text)
        } else if (outcome.message) {
            script.echo(text)
        }
    }

    @NonCPS
    static Map parse(String text, Integer code, String title) {
        def outcome = Plan.parse(text)
        if (outcome.get('version') == 1 && ['SUCCESS', 'UNSTABLE', 'FAILURE'].contains(outcome.get('result'))) {
            return outcome
        }
        def reason = ': could not measure: the worker left no outcome (exit code ' + code + '); its log says why'
        return [result: 'FAILURE', message: title + reason, exit_code: 4, targets: [:]]
    }
}
