package org.profileapp

/** The commit and branch of a build, for agents without a clone. */
class Revision implements Serializable {
    private static final long serialVersionUID = 1

    /**
     * GIT_COMMIT=… and GIT_BRANCH=…, from the environment, from what `checkout` returned, or from git.
     *
     * In a scripted pipeline `checkout` sets no environment, and a job from an SCM has no BRANCH_NAME.
     */
    static List of(Object script, Map checkedOut) {
        def commit = script.env.GIT_COMMIT ?: checkedOut.GIT_COMMIT
        def branch = script.env.BRANCH_NAME ?: script.env.GIT_BRANCH ?: checkedOut.GIT_BRANCH
        if (!commit || !branch) {
            // One line each, also if git cannot determine a value.
            def lines = script.sh(label: 'revision', encoding: 'UTF-8', returnStdout: true, script: '''
                git rev-parse --verify -q HEAD 2>/dev/null || echo -
                git for-each-ref --points-at HEAD --format="%(refname:lstrip=3)" refs/remotes 2>/dev/null |
                    grep -vx HEAD | head -n 1 || true''').tokenize('\n')
            commit = commit ?: (lines[0] == '-' ? '' : lines[0])
            branch = branch ?: (lines.size() > 1 ? lines[1] : '')
        }
        return ['GIT_COMMIT=' + commit, 'GIT_BRANCH=' + branch]
    }
}
