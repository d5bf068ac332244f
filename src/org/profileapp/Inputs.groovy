package org.profileapp

/** What targets' agents need from the workspace, which is the app's; the plan has refused what would lead out of it. */
class Inputs implements Serializable {
    private static final long serialVersionUID = 1

    Object script
    Map config

    Inputs(Object script, Map config) {
        this.script = script
        this.config = config
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

    /** Into `files` and `image` below the current folder: nothing of it is archived, published or stored. */
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
