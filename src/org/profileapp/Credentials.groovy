package org.profileapp

/** Values of Jenkins' credentials: in the environment of what needs them, and nowhere else. */
class Credentials implements Serializable {
    private static final long serialVersionUID = 1

    Object script
    Map config

    Credentials(Object script, Map config) {
        this.script = script
        this.config = config
    }

    /** Binds every id once: a wrong one ends the build before anything is measured. */
    void check() {
        def bindings = registry()
        def ids = config.credentialsIds + (config.databaseCredentialsId ? [config.databaseCredentialsId] : [])
        for (int i = 0; i < ids.size(); i++) {
            bindings.add(script.string(credentialsId: ids[i], variable: 'PROFILEAPP_CHECKED_' + i))
        }
        bind(bindings) { }
    }

    /** With what a plan's targets ask for, and with the registry's login. */
    void within(List secrets, Closure body) {
        def bindings = registry()
        for (int i = 0; i < secrets.size(); i++) {
            bindings.add(script.string(credentialsId: secrets[i].credential, variable: secrets[i].env_var))
        }
        bind(bindings, body)
    }

    /** With the database's URL, which may hold a password; as it is for the id ''. */
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

    /** Needs the Credentials Binding plugin only where something is bound. */
    private void bind(List bindings, Closure body) {
        if (bindings) {
            script.withCredentials(bindings, body)
        } else {
            body()
        }
    }
}
