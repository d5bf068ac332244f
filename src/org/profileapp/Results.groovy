package org.profileapp

import com.cloudbees.groovy.cps.NonCPS

/** What a build shows and keeps of a run: artifacts, tests, the description, and the result. */
class Results implements Serializable {
    private static final long serialVersionUID = 1

    Object script
    Map config
    /** The folder of the artifacts. */
    String out

    Results(Object script, Map config) {
        this.script = script
        this.config = config
        out = config.id ? 'profile-' + config.id : 'profile'
    }

    /**
     * Keeps what a run of these targets left in the current folder; returns its outcome.
     *
     * Everything is archived before anything is published: no test result is worth a measurement.
     */
    Map keep(Map group, Integer code, Map targets) {
        def names = group.targets
        def outcome = Outcome.read(script, out + '/outcome.json', code, names.join(', '))
        script.archiveArtifacts(artifacts: out + '/build.log', allowEmptyArchive: true, followSymlinks: false)
        for (int i = 0; i < names.size(); i++) {
            def folder = out + '/' + names[i]
            script.archiveArtifacts(artifacts: folder + '/**', allowEmptyArchive: true, followSymlinks: false)
            def result = outcome.targets[names[i]] ?: outcome
            targets[names[i]] = [exitCode: result.exit_code, result: result.result,
                archived: script.fileExists(folder + '/run.json')]
        }
        for (int i = 0; i < names.size(); i++) {
            publish(out + '/' + names[i] + '/junit.xml', false)
        }
        return outcome
    }

    /** Fetches what the targets archived; only agents sent it, once. */
    void collect(Map targets) {
        def names = archivedOf(targets)
        if (!names) {
            script.error('profileApp: nothing was measured')
        }
        for (int i = 0; i < names.size(); i++) {
            script.unarchive(mapping: [(out + '/' + names[i] + '/**'): '.'])
        }
    }

    /** Publishes the comparison with earlier runs. That there was none is no result of the app. */
    void keepBaseline(Integer code) {
        publish(out + '/baseline.xml', false)
        def outcome = Outcome.read(script, out + '/baseline-outcome.json', code, 'baseline')
        // A number that is worse is part of the outcome of all, which comes later.
        if (outcome.exit_code > 1) {
            script.unstable('profileApp: ' + outcome.message)
        }
    }

    /** After all else is archived: where the database fails, the artifacts can be stored later. */
    void noteStore(Integer code) {
        if (code != 0) {
            script.unstable('profileApp: not all runs are in the database (exit code ' + code + '); the artifacts ' +
                'have them, and `profileapp store` can be run again')
        }
    }

    /** The outcome of all targets, after the worker's report; archives the report and what it has changed. */
    Map keepReport(Integer code) {
        def outcome = Outcome.read(script, out + '/outcome.json', code, 'report')
        def summary = Plan.parse(script.fileExists('report.json') ? script.readFile('report.json') : '')
        if (!summary.report) {
            script.error('profileApp: no report could be made')
        }
        def changed = ['*.*', 'plot/**', 'report/**', '*/run.json', '*/junit.xml', '*/series.csv', '*/report/**']
        script.archiveArtifacts(artifacts: out + '/' + changed.join(',' + out + '/'), followSymlinks: false)
        if (config.attachments) {
            publish(out + '/attachments.xml', true)
        }
        def line = descriptionOf(summary, script.env.BUILD_URL ? url('') : '')
        def current = script.currentBuild
        current.description = current.description ? current.description + '<br>' + line : line
        return [outcome: outcome, summary: summary.summary]
    }

    /** Test results, with the files that they name where `attach` asks for it and the plugin is there. */
    void publish(String results, boolean attach) {
        try {
            junit(results, attach)
        } catch (NoSuchMethodError absent) {
            script.unstable('profileApp: the JUnit plugin is not installed; test results are among the artifacts only')
        }
    }

    private void junit(String results, boolean attach) {
        try {
            script.junit(testResults: results, allowEmptyResults: true, skipMarkingBuildUnstable: true,
                testDataPublishers: attach ? [[$class: 'AttachmentPublisher']] : [])
        } catch (UnsupportedOperationException | IllegalArgumentException failure) {
            if (!attach) {
                throw failure
            }
            script.echo('profileApp: attachments: test cases show no files, as the JUnit Attachments plugin is missing')
            junit(results, false)
        }
    }

    /** Of a file among the artifacts; relative to the build where this Jenkins does not know its own address. */
    String url(String file) {
        return (script.env.BUILD_URL ?: '') + 'artifact/' + out + '/' + file
    }

    @NonCPS
    private static List archivedOf(Map targets) {
        def names = []
        for (name in targets.keySet()) {
            if (targets.get(name).get('archived')) {
                names.add(name)
            }
        }
        return names
    }

    /** HTML: the badge, which links the report, and what the worker says, which it has escaped. */
    @NonCPS
    static String descriptionOf(Map summary, String url) {
        def text = summary.get('description') ?: summary.get('summary')
        if (!url) {
            // The line stands on the job's page and the build's: no relative address is right on both.
            return text
        }
        def alt = 'Profile: ' + (summary.get('verdict') ?: 'done')
        return '<a href="' + url + 'index.html"><img src="' + url + 'badge.svg" alt="' + alt + '"></a> ' + text
    }
}
