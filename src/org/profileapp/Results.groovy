package org.profileapp

import com.cloudbees.groovy.cps.NonCPS

/** The results of a run in a build: artifacts, tests, description and build result. */
class Results extends StepPart {
    private static final long serialVersionUID = 1

    /** The folder of the artifacts. */
    String out

    Results(Object script, Map config) {
        super(script, config)
        out = config.id ? 'profile-' + config.id : 'profile'
    }

    /**
     * Archives and publishes the results of these targets in the current folder; returns the outcome.
     *
     * Everything is archived before anything is published, so that no failure to publish loses a measurement.
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
                archived: script.fileExists(folder + '/run.json'), digest: script.fileExists(folder + '/digest.json')]
        }
        for (int i = 0; i < names.size(); i++) {
            publish(out + '/' + names[i] + '/junit.xml', false)
        }
        return outcome
    }

    /** Fetches what the targets archived, without the samples where a digest is enough: agents send it only once. */
    void collect(Map targets) {
        def names = archivedOf(targets)
        if (!names) {
            script.error('profileApp: nothing was measured')
        }
        for (int i = 0; i < names.size(); i++) {
            def isSmall = targets[names[i]].digest && !config.databaseCredentialsId
            script.unarchive(mapping: [(patternsOf(out + '/' + names[i] + '/', isSmall)): '.'])
        }
    }

    /** Publishes the comparison with earlier runs. A missing comparison is not a result of the app. */
    void keepBaseline(Integer code) {
        publish(out + '/baseline.xml', false)
        def outcome = Outcome.read(script, out + '/baseline-outcome.json', code, 'baseline')
        // A worse number is part of the overall outcome, which follows later.
        if (outcome.exit_code > 1) {
            script.unstable('profileApp: ' + outcome.message)
        }
    }

    /** Runs after everything is archived: if the database fails, the artifacts can be stored later. */
    void noteStore(Integer code) {
        if (code != 0) {
            script.unstable('profileApp: not all runs are in the database (exit code ' + code + '); the artifacts ' +
                'have them, and `profileapp store` can be run again')
        }
    }

    /** The outcome of all targets, after the worker's report; archives the report and changed files. */
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
        Checks.publish(script, outcome, summary, Plan.titleOf('Profile', config), url('index.html'))
        def line = descriptionOf(summary, script.env.BUILD_URL ? url('') : '')
        def current = script.currentBuild
        current.description = current.description ? current.description + '<br>' + line : line
        return [outcome: outcome, summary: summary.summary]
    }

    /** Publishes test results, with attached files if `attach` is set and the plugin is installed. */
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

    /** The URL of an artifact; relative to the build if this Jenkins does not know its own URL. */
    String url(String file) {
        return (script.env.BUILD_URL ?: '') + 'artifact/' + out + '/' + file
    }

    /** Of a target's folder all, or what a report needs: with a digest, its samples stay where they are. */
    @NonCPS
    private static String patternsOf(String folder, boolean isSmall) {
        def files = ['*.json', '*.csv', '*.xml', '*.log', '*.folded', 'x-*']
        return folder + (isSmall ? files.join(',' + folder) : '**')
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

    /** HTML: the badge, which links to the report, and the worker's text, which the worker has escaped. */
    @NonCPS
    static String descriptionOf(Map summary, String url) {
        def text = summary.get('description') ?: summary.get('summary')
        if (!url) {
            // The line is shown on the job's page and the build's, so no relative URL works on both.
            return text
        }
        def alt = 'Profile: ' + (summary.get('verdict') ?: 'done')
        return '<a href="' + url + 'index.html"><img src="' + url + 'badge.svg" alt="' + alt + '"></a> ' + text
    }
}
