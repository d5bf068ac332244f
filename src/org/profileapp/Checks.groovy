package org.profileapp

import com.cloudbees.groovy.cps.NonCPS

/** The result as a check of the commit or the pull request (Checks API plugin, with the one of GitHub or GitLab). */
class Checks implements Serializable {
    private static final long serialVersionUID = 1

    /** Publishes it; nothing without the plugin. */
    static void publish(Object script, Map outcome, Map summary, String title, String url) {
        def check = of(outcome, summary, title)
        try {
            script.publishChecks(name: check.name, title: check.title, summary: check.summary, detailsURL: url,
                status: 'COMPLETED', conclusion: check.conclusion)
        } catch (NoSuchMethodError absent) {
            return
        }
    }

    @NonCPS
    static Map of(Map outcome, Map summary, String title) {
        def conclusions = [SUCCESS: 'SUCCESS', UNSTABLE: 'FAILURE', FAILURE: 'FAILURE']
        // A summary is Markdown, and names in it are the app's: an indented line is code, whatever it holds.
        return [name: title, title: summary.get('verdict') ?: 'done', summary: '    ' + summary.get('summary'),
            conclusion: conclusions.get(outcome.get('result')) ?: 'NEUTRAL']
    }
}
