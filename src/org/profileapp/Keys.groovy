package org.profileapp

import com.cloudbees.groovy.cps.NonCPS

/** The keys of profileApp(). vars/profileApp.txt documents each. */
class Keys implements Serializable {
    private static final long serialVersionUID = 1

    /** The allowed values of keys with a fixed set of values. */
    static final Map CHOICES =
        [runtime: 'docker, process', onBudget: 'unstable, fail, ignore', onAppFailure: 'fail, unstable, ignore']

    /** Names of keys before 0.1.0. */
    static final Map RENAMED = [
        load         : 'imageArchive',
        registryLogin: 'registryCredentialsId',
        database     : 'databaseCredentialsId',
        earlier      : 'baselineDir',
        credentials  : 'credentialsIds',
    ]

    /** The message for an unknown key: the one that was meant, or all that are allowed. */
    @NonCPS
    static String unknown(String key) {
        def meant = RENAMED.get(key) ?: Spelling.closest(key, defaults().keySet())
        def hint = meant ? "did you mean '" + meant + "'?" : 'allowed: ' + defaults().keySet().join(', ')
        return "unknown key '" + key + "'; " + hint
    }

    /** Every key with its default, which also defines the key's type. */
    @NonCPS
    static Map defaults() {
        return [
            image                : '',         // the app's image; '': NAMESPACE/NAME:VERSION of the sage.yaml
            build                : '',         // folder of the workspace that agents build the image from; '': none
            imageArchive         : '',         // file that `docker save` wrote, to load the image from; '': none
            registry             : '',         // registry of registryCredentialsId, 'HOST[:PORT]'; '': Docker Hub
            registryCredentialsId: '',         // user name with password for it; '': the agents' own login
            config               : 'sage.yaml',// path in the workspace, or OWNER/APP/NAME of a saved configuration
            app                  : '',         // the app's name, which the sage.yaml must have; '': whatever it has
            targets              : [],         // names of the targets to run; []: all
            agent                : '',         // label of the agent that plans and summarises; '': any
            lock                 : '',         // resource to hold while targets run (Lockable Resources); '': none
            interleave           : false,      // whether targets of one label share a stage and alternate repeats
            runtime              : 'docker',   // 'docker', or 'process' for agents without Docker
            command              : '',         // what the process runtime runs
            onBudget             : 'unstable', // result of a violated budget: 'unstable', 'fail' or 'ignore'
            onAppFailure         : 'fail',     // result of an app that fails: 'fail', 'unstable' or 'ignore'
            credentialsIds       : [],         // secret texts that the configuration may pass to apps; []: none
            databaseCredentialsId: '',         // secret text: URL of the database to store runs in; '': none
            baseline             : '',         // branch whose earlier runs are compared with; '': none
            baselineSince        : '',         // day from which on they count; '': all
            baselineDir          : '',         // folder of the workspace with those runs; '': the database has them
            attachments          : false,      // log, series and plots with test cases (JUnit Attachments plugin)
            wheels               : '',         // folder on the agents to install the worker from; '': an index
            index                : '',         // URL of that index; '': pip's own
            id                   : '',         // tells several calls of one build apart; '': the only one
        ]
    }
}
