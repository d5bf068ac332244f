import org.profileapp.Inputs
import org.profileapp.Outcome
import org.profileapp.Plan
import org.profileapp.Results
import org.profileapp.Revision
import org.profileapp.Settings
import org.profileapp.Worker

/**
 * Profiles an app: plans on any agent, runs each target on a separate agent, archives and summarises the results.
 * profileApp.txt documents every key.
 */
def call(Map given = [:]) {
    def config = Settings.of(given)
    if (config.problem) {
        error(config.problem)
    }
    if (env.WORKSPACE) {
        return profile(config, [:])
    }
    def result = null
    node(config.agent) {
        result = profile(config, checkout(scm) ?: [:])
    }
    return result
}

/** Runs on a node, with the app's sources in the workspace. */
private Map profile(Map config, Map checkedOut) {
    def worker = new Worker(this, config)
    def results = new Results(this, config)
    def plan = null
    stage(Plan.titleOf('Profile: plan', config)) {
        worker.credentials.check()
        worker.revision = Revision.of(this, checkedOut)
        plan = worker.plan(worker.unpack('plan'))
        def problem = Plan.problemWith(plan, config)
        if (problem) {
            error(problem)
        }
        new Inputs(this, config).stash(plan)
    }
    def targets = [:]
    def summary = [outcome: [result: 'FAILURE', message: 'there is no summary; its stage says why']]
    try {
        def branches = [:]
        // By index: Jenkins cannot serialise an iterator across a step.
        for (int i = 0; i < plan.groups.size(); i++) {
            branches[Plan.titleOf(plan.groups[i].name, config)] = branch(worker, results, plan.groups[i], targets)
        }
        parallel branches
    } finally {
        stage(Plan.titleOf('Profile: summary', config)) {
            // A failure here must not hide a failure of a target.
            catchError(buildResult: 'FAILURE', stageResult: 'FAILURE', catchInterruptions: false) {
                summary = summarise(worker, results, plan, targets)
            }
        }
    }
    // Outside the stage above, which would catch an error that must end the build.
    Outcome.apply(this, summary.outcome)
    return [targets: targets, exitCode: summary.outcome.exit_code, result: summary.outcome.result,
        summary: summary.summary, report: results.url('index.html'), folder: summary.folder]
}

/** A closure that runs one group: on this node if it matches, so that a single executor does not wait for itself. */
private branch(Worker worker, Results results, Map group, Map targets) {
    return {
        stage(Plan.titleOf(group.name, worker.config)) {
            locked(worker.config) {
                if (!group.agent || (env.NODE_LABELS ?: '').tokenize(' ').contains(group.agent)) {
                    runGroup(worker, results, group, targets)
                } else {
                    // Retried once if the agent goes away, or a restart of the controller ends the run.
                    retry(count: 2, conditions: [agent(), nonresumable()]) {
                        node(group.agent) {
                            runGroup(worker, results, group, targets)
                        }
                    }
                }
            }
        }
    }
}

private locked(Map config, Closure body) {
    if (config.lock) {
        lock(resource: config.lock, body)
    } else {
        body()
    }
}

/** Runs in our folder, where the app's files and the worker's results are separate. */
private runGroup(Worker worker, Results results, Map group, Map targets) {
    def folder = worker.unpack('targets/' + group.targets[0])
    def code = null
    def outcome = null
    dir(folder) {
        new Inputs(this, worker.config).unstash()
        try {
            code = worker.run(folder, group, results.out)
        } finally {
            worker.waitForEnd()
            outcome = results.keep(group, code, targets)
        }
    }
    Outcome.apply(this, outcome)
}

/** The outcome and the summary of all targets together; archives the report and stores the runs. */
private Map summarise(Worker worker, Results results, Map plan, Map targets) {
    def folder = worker.unpack('summary')
    def summary = null
    dir(folder) {
        results.collect(targets)
        if (worker.config.baseline) {
            results.keepBaseline(worker.baseline(folder, results.out))
        }
        summary = results.keepReport(worker.report(folder, results.out))
        if (worker.config.databaseCredentialsId) {
            results.noteStore(worker.store(folder, results.out, plan.app.name))
        }
    }
    summary.folder = folder
    return summary
}
