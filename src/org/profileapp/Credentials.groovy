package org.profileapp

/** Passes credentials of Jenkins in the environment of steps that need them, and nowhere else. */
class Credentials extends StepPart {
    private static final long serialVersionUID = 1

    Credentials(Object script, Map config) {
        super(script, config)
    }

    /** Binds every id once, so that a wrong one ends the build before anything is measured. */
    void check() {
        def bindings = registry()
        def ids = config.credentialsIds + (config.databaseCredentialsId ? [config.databaseCredentialsId] : [])
        for (int i = 0; i < ids.size(); i++) {
            bindings.add(script.string(credentialsId: ids[i], variable: 'PROFILEAPP_CHECKED_' + i))
        }
        bind(bindings) { }
    }

    /** Runs the body with the credentials of a plan's targets and the registry's login. */
    void within(List secrets, Closure body) {
        def bindings = registry()
        for (int i = 0; i < secrets.size(); i++) {
            bindings.add(script.string(credentialsId: secrets[i].credential, variable: secrets[i].env_var))
        }
        bind(bindings, body)
    }

    /** Runs the body with the database's URL, which may contain a password; unchanged for the id ''. */
    void withDatabase(String id, Closure body) {
        if (!id) {
            body()
            return
        }
        bind([script.string(credentialsId: id, variable: 'PROFILEAPP_DB')]) {
            script.withEnv(['PROFILEAPP_EXTRAS=store,postgres'], body)
        }
    }

    private List registry() {
        return config.registryCredentialsId ? [script.usernamePassword(credentialsId: config.registryCredentialsId,
            usernameVariable: 'PROFILEAPP_REGISTRY_USER', passwordVariable: 'PROFILEAPP_REGISTRY_PASSWORD')] : []
    }

    /** Needs the Credentials Binding plugin only if there are bindings. */
    private void bind(List bindings, Closure body) {
        if (bindings) {
            script.withCredentials(bindings, body)
        } else {
            body()
        }
    }
}
