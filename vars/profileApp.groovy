import com.cloudbees.groovy.cps.NonCPS
import groovy.json.JsonSlurper

/**
 * Profiles an app: plans on any agent, runs each target on an agent of its own, files and sums up what was measured.
 * profileApp.txt documents every key.
 */
def call(Map given = [:]) {
    def problem = problemWith(given)
    if (problem) {
        error(problem)
    }
    def config = settings(given)
    if (env.WORKSPACE) {
        return profile(config)
    }
    def result = null
    node(config.agent) {
        checkout scm
        result = profile(config)
    }
    return result
}

/** What may be given, and what holds where it is not. */
@NonCPS
Map defaults() {
    return [
        image        : '',         // the app's image; '': NAMESPACE/NAME:VERSION of the sage.yaml
        build        : '',         // folder of the workspace that the agents build the app's image from; '': none
        load         : '',         // file of the workspace, of `docker save`, that the image is loaded from; '': none
        registry     : '',         // registry that the images come from: 'HOST' or 'HOST:PORT'; '': Docker Hub
        registryLogin: '',         // id of a user name with password for it; '': the agents' own login
        config       : 'sage.yaml',// path of the configuration in the workspace, or OWNER/APP/NAME of a saved one
        targets      : [],         // names of the targets to run; []: all
        agent        : '',         // label of the agent that plans and sums up, and runs targets that name none
        interleave   : false,      // whether targets of one label share a stage, where their repeats alternate
        runtime      : 'docker',   // 'docker', or 'process' for agents without Docker
        command      : '',         // what the process runtime runs
        onBudget     : 'unstable', // a broken budget makes the build: 'unstable', 'fail' or 'ignore'
        onAppFailure : 'fail',     // an app that fails makes the build: 'fail', 'unstable' or 'ignore'
        credentials  : [],         // ids of the secret texts that the configuration may give to apps; []: none
        database     : '',         // id of a secret text: the URL of the database that runs are stored in; '': none
        baseline     : '',         // branch whose earlier runs the numbers are held against; '': none
        baselineSince: '',         // day from which on they count, after a change that was meant; '': all
        earlier      : '',         // folder of the workspace that holds those runs; '': the database does
        attachments  : false,      // log, series and plots with the test cases: needs the JUnit Attachments plugin
        wheels       : '',         // folder on the agents that the worker is installed from; '': an index
        index        : '',         // URL of that index; '': pip's own
    ]
}

@NonCPS
Map settings(Map given) {
    def config = defaults()
    config.putAll(given)
    // A saved configuration is laid over the sage.yaml of the workspace.
    config.put('saved', isSaved(config.get('config')) ? config.get('config') : '')
    if (config.get('saved')) {
        config.put('config', 'sage.yaml')
    }
    return config
}

/** Whether it is OWNER/APP/NAME; a path ends in .yaml or .yml. */
@NonCPS
boolean isSaved(Object value) {
    def text = (value ?: '').toString()
    return text.tokenize('/').size() == 3 && !text.startsWith('/') && !text.endsWith('.yaml') && !text.endsWith('.yml')
}

/** What is wrong with what was given, and what is allowed; '' where nothing is. */
@NonCPS
String problemWith(Map given) {
    def allowed = defaults().keySet()
    for (key in given.keySet()) {
        if (!allowed.contains(key)) {
            return "profileApp: unknown key '" + key + "'; allowed: " + allowed.join(', ')
        }
    }
    def config = settings(given)
    for (key in ['onBudget', 'onAppFailure']) {
        if (!['unstable', 'fail', 'ignore'].contains(config.get(key))) {
            return 'profileApp: ' + key + " is '" + config.get(key) + "'; allowed: unstable, fail, ignore"
        }
    }
    if (!(config.get('targets') instanceof List)) {
        return "profileApp: targets is '" + config.get('targets') + "'; allowed: a list of names"
    }
    if (!(config.get('attachments') instanceof Boolean)) {
        return "profileApp: attachments is '" + config.get('attachments') + "'; allowed: true, false"
    }
    if (config.get('build') && config.get('load')) {
        return 'profileApp: build and load exclude one another'
    }
    if (config.get('runtime') == 'process' && (config.get('build') || config.get('load'))) {
        return "profileApp: build and load make an image, which the runtime 'process' has no use for"
    }
    for (key in ['build', 'load']) {
        if (leadsOut((config.get(key) ?: '').toString())) {
            return 'profileApp: ' + key + " is '" + config.get(key) + "'; allowed: a path in the workspace"
        }
    }
    if (!(config.get('credentials') instanceof List)) {
        return "profileApp: credentials is '" + config.get('credentials') + "'; allowed: a list of ids"
    }
    if (config.get('saved') && !config.get('database')) {
        return "profileApp: config is '" + config.get('saved') +
            "', a saved configuration, which needs the key database"
    }
    if (config.get('baseline') && !config.get('database') && !config.get('earlier')) {
        return "profileApp: baseline is '" + config.get('baseline') + "', which needs the key database or earlier"
    }
    if (config.get('baselineSince') && !config.get('baseline')) {
        return "profileApp: baselineSince is '" + config.get('baselineSince') + "', which needs the key baseline"
    }
    if (!['docker', 'process'].contains(config.get('runtime'))) {
        return "profileApp: runtime is '" + config.get('runtime') + "'; allowed: docker, process"
    }
    return ''
}

/** Whether a path leads out of the workspace, or is a pattern of several. */
@NonCPS
boolean leadsOut(String path) {
    if (path.startsWith('/')) {
        return true
    }
    for (part in path.tokenize('/')) {
        if (part == '..') {
            return true
        }
    }
    for (letter in ['*', '?', ',']) {
        if (path.lastIndexOf(letter) >= 0) {
            return true
        }
    }
    return false
}

/** On a node, with the app's sources in the workspace. */
private Map profile(Map config) {
    def plan = null
    stage('Profile: plan') {
        config.commit = env.GIT_COMMIT ?: commitHere()
        plan = makePlan(config)
    }
    def outcomes = [:]
    def summary = [:]
    try {
        def branches = [:]
        // By index, here and below: an iterator cannot be saved with the build where a step comes in between.
        def groups = groupsOf(plan.targets, config)
        for (int i = 0; i < groups.size(); i++) {
            branches[groups[i].name] = branch(config, groups[i], outcomes)
        }
        parallel branches
    } finally {
        stage('Profile: summary') {
            // What goes wrong here must not hide what went wrong in a target.
            catchError(buildResult: 'FAILURE', stageResult: 'FAILURE', catchInterruptions: false) {
                summary = summarise(config, plan, outcomes)
            }
        }
    }
    return [targets: outcomes, exitCode: summary.exit_code, summary: summary.summary, report: reportUrl()]
}

/** A scripted pipeline's checkout leaves no GIT_COMMIT; '' where this is no clone. */
private String commitHere() {
    return sh(label: 'commit', returnStdout: true, script: 'git rev-parse --verify -q HEAD 2>/dev/null || true').trim()
}

private Map makePlan(Map config) {
    def plan = null
    if (config.saved) {
        mergeSaved(config)
    }
    withEnv(settingsEnv(config) + ['PROFILEAPP_TARGETS=' + config.targets.join('\n')]) {
        unpackBridge()
        // Each name is a line: a name with a space, a quote or a $ stays one word.
        withSecrets(config, []) {
            plan = parse(sh(label: 'profileapp plan', returnStdout: true, script: '''set -f
            IFS='
'
            set --
            for name in $PROFILEAPP_TARGETS; do set -- "$@" --target "$name"; done
            if [ -n "$PROFILEAPP_IMAGE" ]; then set -- "$@" --image "$PROFILEAPP_IMAGE"; fi
            if [ -n "$PROFILEAPP_LOAD" ]; then set -- "$@" --load "$PROFILEAPP_LOAD"; fi
            if [ -n "$PROFILEAPP_BUILD" ]; then set -- "$@" --build "$PROFILEAPP_BUILD"; fi
            sh .profileapp/worker.sh plan "$PROFILEAPP_CONFIG" "$@" --check --runtime "$PROFILEAPP_RUNTIME" --json'''))
        }
    }
    def problem = notAllowed(plan, config.credentials)
    if (problem) {
        error(problem)
    }
    dir(folderOf(config.config)) {
        stash name: 'profileapp-files', includes: plan.files.join(',')
    }
    if (config.load) {
        stash name: 'profileapp-image', includes: config.load
    } else if (config.build) {
        dir(config.build) {
            stash name: 'profileapp-image', excludes: '.profileapp/**', useDefaultExcludes: false
        }
    }
    return plan
}

/** What a target asks for that the Jenkinsfile does not allow; '' where there is nothing. */
@NonCPS
String notAllowed(Map plan, List allowed) {
    for (target in plan.get('targets')) {
        def problem = notAllowedIn(target, allowed)
        if (problem) {
            return problem
        }
    }
    return ''
}

@NonCPS
String notAllowedIn(Map target, List allowed) {
    for (secret in secretsOf(target)) {
        if (!allowed.contains(secret.get('credential'))) {
            return 'profileApp: ' + target.get('name') + " asks for the credential '" + secret.get('credential') +
                "'; allow it with credentials: ['" + secret.get('credential') + "']"
        }
    }
    return ''
}

/** The credentials of a target and of its services, each once. */
@NonCPS
List secretsOf(Map target) {
    def wanted = target.get('secrets') ?: []
    for (service in (target.get('services') ?: [])) {
        wanted = wanted + (service.get('secrets') ?: [])
    }
    def found = []
    addSecrets(found, wanted)
    return found
}

/** The values of credentials are in the environment of what is done within, and nowhere else. */
private withSecrets(Map config, List secrets, Closure body) {
    if (!secrets && !config.registryLogin) {
        body()
        return
    }
    def bindings = []
    if (config.registryLogin) {
        bindings.add(usernamePassword(credentialsId: config.registryLogin,
            usernameVariable: 'PROFILEAPP_REGISTRY_USER', passwordVariable: 'PROFILEAPP_REGISTRY_PASSWORD'))
    }
    for (int i = 0; i < secrets.size(); i++) {
        bindings.add(string(credentialsId: secrets[i].credential, variable: secrets[i].env_var))
    }
    withCredentials(bindings, body)
}

/** Writes what the sage.yaml and the saved configuration make, which all agents then go by: they need no database. */
private mergeSaved(Map config) {
    withDatabase(config) {
        withEnv(['PROFILEAPP_SAVED=' + config.saved, 'PROFILEAPP_CONFIG=' + config.config]) {
            unpackBridge()
            sh(label: 'profileapp config merge', script: '''
                sh .profileapp/worker.sh config merge "$PROFILEAPP_SAVED" "$PROFILEAPP_CONFIG" \\
                    > profileapp-merged.yaml''')
        }
    }
    config.config = 'profileapp-merged.yaml'
}

/** The database's URL, which may hold a password, is in the environment of what is done within, and nowhere else. */
private withDatabase(Map config, Closure body) {
    withCredentials([string(credentialsId: config.database, variable: 'PROFILEAPP_DB')]) {
        withEnv(settingsEnv(config) + ['PROFILEAPP_EXTRAS=store,postgres'], body)
    }
}

/** What runs in one stage: its name, the label of its agent, and the names and credentials of its targets. */
@NonCPS
List groupsOf(List targets, Map config) {
    def groups = []
    def byLabel = [:]
    for (target in targets) {
        def label = target.get('agent') ?: config.get('agent')
        def group = config.get('interleave') ? byLabel.get(label) : null
        if (!group) {
            group = [name: target.get('name'), label: label, targets: [], secrets: []]
            byLabel.put(label, group)
            groups.add(group)
        } else {
            group.put('name', group.get('name') + ', ' + target.get('name'))
        }
        group.get('targets').add(target.get('name'))
        addSecrets(group.get('secrets'), secretsOf(target))
    }
    return groups
}

/** Adds what is not there yet. */
@NonCPS
void addSecrets(List secrets, List more) {
    def seen = []
    for (secret in secrets) {
        seen.add(secret.get('env_var'))
    }
    for (secret in more) {
        if (!seen.contains(secret.get('env_var'))) {
            seen.add(secret.get('env_var'))
            secrets.add(secret)
        }
    }
}

/** A closure that runs one group: here where this node will do, so that a single executor does not wait for itself. */
private branch(Map config, Map group, Map outcomes) {
    return {
        stage(group.name) {
            if (!group.label || (env.NODE_LABELS ?: '').tokenize(' ').contains(group.label)) {
                runGroup(config, group, outcomes)
            } else {
                node(group.label) {
                    runGroup(config, group, outcomes)
                }
            }
        }
    }
}

private runGroup(Map config, Map group, Map outcomes) {
    def code = null
    dir('.profileapp/targets/' + group.targets[0]) {
        deleteDir()
        unstash 'profileapp-files'
        def names = 'PROFILEAPP_NAMES=' + group.targets.join('\n')
        if (config.load || config.build) {
            dir('.profileapp/image') {
                unstash 'profileapp-image'
            }
        }
        withEnv(settingsEnv(config) + ['PROFILEAPP_FILE=' + fileOf(config.config), names]) {
            unpackBridge()
            try {
                withSecrets(config, group.secrets) {
                    // The lock tells whoever files the results that the worker has ended, also if a build is aborted.
                    code = sh(label: 'profileapp run', returnStatus: true, script: '''exec 9>.profileapp/lock
                        flock 9
                        set -f
                        IFS='
'
                        set -- "$PROFILEAPP_FILE" --out profile --no-report
                        for name in $PROFILEAPP_NAMES; do set -- "$@" --target "$name"; done
                        if [ -n "$PROFILEAPP_IMAGE" ]; then set -- "$@" --image "$PROFILEAPP_IMAGE"; fi
                        if [ -n "$PROFILEAPP_LOAD" ]; then set -- "$@" --load ".profileapp/image/$PROFILEAPP_LOAD"; fi
                        if [ -n "$PROFILEAPP_BUILD" ]; then set -- "$@" --build .profileapp/image; fi
                        if [ "$PROFILEAPP_RUNTIME" = process ]; then
                            set -- "$@" --runtime process --command "$PROFILEAPP_COMMAND"
                        fi
                        exec sh .profileapp/worker.sh run "$@"''')
                }
            } finally {
                sh(label: 'wait for the worker', script: 'exec 9>.profileapp/lock; flock -w 120 9 || true')
                if (config.build) {
                    archiveArtifacts(artifacts: 'profile/build.log', allowEmptyArchive: true)
                }
                for (int i = 0; i < group.targets.size(); i++) {
                    fileResults(config, group.targets[i], code, outcomes)
                }
            }
        }
    }
    judge(config, group.name, code)
}

private fileResults(Map config, String name, Integer code, Map outcomes) {
    def folder = 'profile/' + name
    publish(config, folder + '/junit.xml')
    archiveArtifacts(artifacts: folder + '/**', allowEmptyArchive: true)
    stash(name: 'profileapp-' + name, includes: folder + '/**', allowEmpty: true)
    outcomes[name] = [exitCode: code, stashed: true]
}

/** What an exit code of the worker makes of the build; docs/reference/exit-codes.md. */
private judge(Map config, String names, Integer code) {
    if (code == 0) {
        return
    }
    def meaning = [
        1: [config.onBudget, 'a budget is broken'],
        2: [config.onAppFailure, 'the app failed'],
        3: ['fail', 'the configuration is wrong'],
        4: ['fail', 'the agent could not measure'],
    ].getOrDefault(code, ['fail', 'the run was aborted (exit code ' + code + ')'])
    def text = 'profileApp: ' + names + ': ' + meaning[1]
    if (meaning[0] == 'fail') {
        error(text)
    } else if (meaning[0] == 'unstable') {
        unstable(text)
    } else {
        echo(text)
    }
}

/** What the worker says of all targets, as a map; files the report, and links it from the build's description. */
private Map summarise(Map config, Map plan, Map outcomes) {
    def summary = [:]
    dir('.profileapp/summary') {
        deleteDir()
        def found = false
        for (int i = 0; i < plan.targets.size(); i++) {
            def name = plan.targets[i].name
            if (outcomes[name]?.stashed) {
                unstash 'profileapp-' + name
                found = true
            }
        }
        if (!found) {
            error('profileApp: nothing was measured')
        }
        unpackBridge()
        // Before the report, which shows it.
        def held = config.baseline ? holdBaseline(config) : 0
        withEnv(settingsEnv(config) + ['PROFILEAPP_EXTRAS=report']) {
            // The exit code is that of what was measured, which each target's stage has told already.
            sh(label: 'profileapp report', returnStatus: true, script: '''[ -d profile ] || mkdir profile
                sh .profileapp/worker.sh report profile --json > report.json''')
        }
        summary = parse(fileExists('report.json') ? readFile('report.json') : '')
        if (!summary.report) {
            error('profileApp: no report could be made')
        }
        archiveArtifacts(artifacts: 'profile/**')
        if (config.attachments) {
            publish(config, 'profile/attachments.xml')
        }
        def line = descriptionOf(summary, reportUrl(), artifactUrl('badge.svg'))
        currentBuild.description = currentBuild.description ? currentBuild.description + '<br>' + line : line
        if (config.database) {
            storeRuns(config)
        }
        tellBaseline(config, held)
    }
    return summary
}

/** Holds the numbers against earlier runs; the worker's exit code. */
private Integer holdBaseline(Map config) {
    def code = null
    def hold = {
        code = sh(label: 'profileapp baseline', returnStatus: true, script: '''
            set -- profile --branch "$PROFILEAPP_BASELINE"
            if [ -n "$PROFILEAPP_SINCE" ]; then set -- "$@" --since "$PROFILEAPP_SINCE"; fi
            if [ -n "$PROFILEAPP_EARLIER" ]; then set -- "$@" --against "$PROFILEAPP_EARLIER"; fi
            sh .profileapp/worker.sh baseline "$@"''')
    }
    def isRelative = config.earlier && !config.earlier.startsWith('/')
    def earlier = isRelative ? env.WORKSPACE + '/' + config.earlier : config.earlier
    withEnv([
        'PROFILEAPP_BASELINE=' + config.baseline,
        'PROFILEAPP_SINCE=' + config.baselineSince,
        'PROFILEAPP_EARLIER=' + earlier,
    ]) {
        if (config.earlier) {
            withEnv(settingsEnv(config), hold)
        } else {
            withDatabase(config, hold)
        }
    }
    publish(config, 'profile/baseline.xml')
    return code
}

/** After all is filed and stored. */
private tellBaseline(Map config, Integer held) {
    def text = 'profileApp: a number is worse than on ' + config.baseline
    if (held == 0) {
        return
    } else if (held == 1 && config.onBudget == 'fail') {
        error(text)
    } else if (held == 1 && config.onBudget == 'ignore') {
        echo(text)
    } else if (held == 1) {
        unstable(text)
    } else {
        unstable('profileApp: the numbers could not be held against earlier runs (exit code ' + held + ')')
    }
}

/** Once a build, after all else is filed: where the database fails, the artifacts can be stored later. */
private storeRuns(Map config) {
    def code = null
    withDatabase(config) {
        code = sh(label: 'profileapp store', returnStatus: true, script: 'sh .profileapp/worker.sh store profile')
    }
    if (code == 0) {
        return
    }
    unstable('profileApp: not all runs are in the database (exit code ' + code + '); the artifacts hold them, ' +
        'and `profileapp store` can be run again')
}

/** HTML: the badge, which links the report, and what the worker says, which it has escaped. */
@NonCPS
String descriptionOf(Map summary, String report, String badge) {
    def alt = 'Profile: ' + (summary.get('verdict') ?: 'done')
    return '<a href="' + report + '"><img src="' + badge + '" alt="' + alt + '"></a> ' +
        (summary.get('description') ?: summary.get('summary'))
}

private String reportUrl() {
    return artifactUrl('index.html')
}

/** Relative to the build where this Jenkins does not know its own address. */
private String artifactUrl(String path) {
    return (env.BUILD_URL ?: '') + 'artifact/profile/' + path
}

/** Test results; with what they name attached, where that was asked for: it needs a plugin. */
private publish(Map config, String results) {
    def publishers = config.attachments ? [[$class: 'AttachmentPublisher']] : []
    junit(testResults: results, allowEmptyResults: true, skipMarkingBuildUnstable: true, testDataPublishers: publishers)
}

/** The worker's bridge script and the version it is pinned to, into the folder we are in. */
private unpackBridge() {
    writeFile(file: '.profileapp/worker.sh', text: libraryResource('profileapp/worker.sh'))
    writeFile(file: '.profileapp/VERSION', text: libraryResource('profileapp/VERSION'))
}

/** Values travel to the shell by the environment alone. */
@NonCPS
List settingsEnv(Map config) {
    def variables = [
        'PROFILEAPP_CONFIG=' + config.config,
        'PROFILEAPP_IMAGE=' + config.image,
        'PROFILEAPP_RUNTIME=' + config.runtime,
        'PROFILEAPP_COMMAND=' + config.command,
        'PROFILEAPP_BUILD=' + config.build,
        'PROFILEAPP_LOAD=' + config.load,
        'PROFILEAPP_REGISTRY=' + config.registry,
        'PROFILEAPP_EXTRAS=',
    ]
    if (config.commit) {
        variables.add('GIT_COMMIT=' + config.commit)
    }
    // Left out, what an administrator has set on the agent holds.
    if (config.wheels) {
        variables.add('PROFILEAPP_WHEELS=' + config.wheels)
    }
    if (config.index) {
        variables.add('PROFILEAPP_INDEX=' + config.index)
    }
    return variables
}

@NonCPS
String folderOf(String path) {
    def slash = path.lastIndexOf('/')
    return slash < 0 ? '.' : path.substring(0, slash)
}

@NonCPS
String fileOf(String path) {
    return path.substring(path.lastIndexOf('/') + 1)
}

/** JSON as plain maps and lists, which a build can be saved with; an empty map where the text is none. */
@NonCPS
Map parse(String text) {
    if (!text.trim()) {
        return [:]
    }
    return plain(new JsonSlurper().parseText(text.trim()))
}

@NonCPS
def plain(Object value) {
    if (value instanceof Map) {
        def copy = [:]
        for (key in value.keySet()) {
            copy.put(key, plain(value.get(key)))
        }
        return copy
    }
    if (value instanceof List) {
        def copy = []
        for (item in value) {
            copy.add(plain(item))
        }
        return copy
    }
    return value
}
