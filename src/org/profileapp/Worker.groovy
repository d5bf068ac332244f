package org.profileapp

import com.cloudbees.groovy.cps.NonCPS

/** Runs the worker's commands on the current agent. Values are passed in the environment, never in a shell line. */
class Worker extends StepPart {
    private static final long serialVersionUID = 1

    Credentials credentials
    /** Variables of the checkout, for agents without one. */
    List revision = []

    Worker(Object script, Map config) {
        super(script, config)
        credentials = new Credentials(script, config)
    }

    /**
     * Empties our folder, unpacks the bridge script and its version there, and returns its path.
     * It is next to the workspace, not in it: everything in a checkout belongs to the app, even its links.
     */
    String unpack(String use) {
        def folder = ''
        script.dir(script.env.WORKSPACE) {
            folder = script.pwd(tmp: true) + '/profileapp' + (config.id ? '-' + config.id : '') + '/' + use
        }
        script.dir(folder) {
            script.deleteDir()
        }
        script.dir(folder + '/bridge') {
            script.writeFile(file: 'worker.sh', text: script.libraryResource('profileapp/worker.sh'))
            script.writeFile(file: 'VERSION', text: script.libraryResource('profileapp/VERSION'))
        }
        return folder
    }

    /** The plan, of the saved configuration if one is given. A link in place of the merged file is the app's. */
    Map plan(String folder) {
        def plan = null
        if (config.saved) {
            within(folder, ['PROFILEAPP_SAVED=' + config.saved]) {
                credentials.withDatabase(config.databaseCredentialsId) {
                    script.sh(label: 'profileapp config merge', encoding: 'UTF-8', script: '''
                        rm -rf profileapp-merged.yaml
                        set -C
                        sh "$PROFILEAPP_BRIDGE" config merge "$PROFILEAPP_SAVED" "$PROFILEAPP_CONFIG" \\
                            >profileapp-merged.yaml''')
                }
            }
            // All agents use this file, so they need no database.
            config.config = 'profileapp-merged.yaml'
        }
        def more = ['PROFILEAPP_TARGETS=' + config.targets.join('\n'), 'PROFILEAPP_BUILD=' + config.build,
            'PROFILEAPP_IMAGE_ARCHIVE=' + config.imageArchive, 'PROFILEAPP_WORKSPACE=' + script.env.WORKSPACE,
            'PROFILEAPP_PLAN_AGENT=' + config.agent, 'PROFILEAPP_PLAN_GROUP_BY_AGENT=' + (config.interleave ? 1 : 0)]
        within(folder, more) {
            credentials.within([]) {
                plan = Plan.parse(script.sh(label: 'profileapp plan', encoding: 'UTF-8', returnStdout: true,
                    script: 'exec sh "$PROFILEAPP_BRIDGE" plan --check --json'))
            }
        }
        return plan
    }

    /** Runs these targets from `files` and `image` into `out`. Returns the exit code. */
    Integer run(String folder, Map group, String out) {
        def code = null
        def more = ['PROFILEAPP_CONFIG=files/' + Plan.fileOf(config.config), 'PROFILEAPP_OUT=' + out,
            'PROFILEAPP_TARGETS=' + group.targets.join('\n'),
            'PROFILEAPP_OPTIONAL_EXTRAS=' + (group.extras ?: []).join(','),
            'PROFILEAPP_IMAGE_ARCHIVE=' + (config.imageArchive ? 'image/' + config.imageArchive : ''),
            'PROFILEAPP_BUILD=' + (config.build ? 'image' : '')]
        within(folder, more) {
            credentials.within(group.secrets) {
                // The lock shows that the worker has ended, even if the build is aborted.
                code = status('run --no-report', '''mkdir -p "$PROFILEAPP_OUT"
                    exec 9>lock
                    flock 9
                    ''')
            }
        }
        return code
    }

    /** Waits for the worker after a run that may have been aborted: it may still write. */
    void waitForEnd() {
        script.sh(label: 'wait for the worker', encoding: 'UTF-8', script: 'exec 9>lock; flock -w 120 9 || true')
    }

    /** Compares with earlier runs, before the report, which shows the result. 0 or 1: compared. */
    Integer baseline(String folder, String out) {
        def code = null
        def dir = config.baselineDir
        def against = dir && !dir.startsWith('/') ? script.env.WORKSPACE + '/' + dir : dir
        within(folder, ['PROFILEAPP_BASELINE=' + config.baseline, 'PROFILEAPP_SINCE=' + config.baselineSince,
                'PROFILEAPP_AGAINST=' + against, 'PROFILEAPP_OUT=' + out]) {
            credentials.withDatabase(dir ? '' : config.databaseCredentialsId) {
                code = status('baseline "$PROFILEAPP_OUT"')
            }
        }
        return code
    }

    /** Generates the report and report.json. Returns the exit code of the measurements. */
    Integer report(String folder, String out) {
        def code = null
        within(folder, ['PROFILEAPP_OUT=' + out, 'PROFILEAPP_EXTRAS=report']) {
            code = status('report "$PROFILEAPP_OUT" --json >report.json')
        }
        return code
    }

    /** Stores runs that this build made of its own app. */
    Integer store(String folder, String out, String app) {
        def code = null
        within(folder, ['PROFILEAPP_OUT=' + out, 'PROFILEAPP_OWN_APP=' + app,
                'PROFILEAPP_CLAIM_APP=' + (config.app ? '1' : '')]) {
            credentials.withDatabase(config.databaseCredentialsId) {
                code = status('store "$PROFILEAPP_OUT"')
            }
        }
        return code
    }

    private void within(String folder, List more, Closure body) {
        script.withEnv(variables(folder, config, revision) + more, body)
    }

    private Integer status(String words, String before = '') {
        return script.sh(label: 'profileapp ' + words.tokenize(' ')[0], encoding: 'UTF-8', returnStatus: true,
            script: before + 'exec sh "$PROFILEAPP_BRIDGE" ' + words)
    }

    @NonCPS
    private static List variables(String folder, Map config, List revision) {
        def all = revision + ['PROFILEAPP_BRIDGE=' + folder + '/bridge/worker.sh', 'PROFILEAPP_EXTRAS=']
        def names = [config: 'CONFIG', image: 'IMAGE', runtime: 'RUNTIME', command: 'COMMAND', registry: 'REGISTRY',
            onBudget: 'ON_BUDGET', onAppFailure: 'ON_APP_FAILURE', wheels: 'WHEELS', index: 'INDEX']
        for (key in names.keySet()) {
            // Without them, the agent administrator's settings apply.
            if (config.get(key) || !['wheels', 'index'].contains(key)) {
                all = all + ['PROFILEAPP_' + names.get(key) + '=' + config.get(key)]
            }
        }
        return all
    }
}
