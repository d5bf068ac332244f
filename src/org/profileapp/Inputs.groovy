package org.profileapp

/** Files that agents need from the app's workspace; the plan has refused paths that point outside it. */
class Inputs extends StepPart {
    private static final long serialVersionUID = 1

    Inputs(Object script, Map config) {
        super(script, config)
    }

    void stash(Map plan) {
        script.dir(Plan.folderOf(config.config)) {
            script.stash(name: config.stash + 'in-files', includes: plan.files.join(','))
        }
        if (config.imageArchive) {
            script.stash(name: config.stash + 'in-image', includes: config.imageArchive)
        } else if (config.build) {
            script.dir(config.build) {
                script.stash(name: config.stash + 'in-image', useDefaultExcludes: false)
            }
        }
    }

    /** Unpacks into `files` and `image` below the current folder, which are not archived, published or stored. */
    void unstash() {
        script.dir('files') {
            script.unstash(config.stash + 'in-files')
        }
        if (config.imageArchive || config.build) {
            script.dir('image') {
                script.unstash(config.stash + 'in-image')
            }
        }
    }
}
