package org.profileapp

import com.cloudbees.groovy.cps.NonCPS
import groovy.json.JsonSlurper

/** What the worker plans, as plain maps and lists, with which a build can be saved. */
class Plan implements Serializable {
    private static final long serialVersionUID = 1

    /** JSON as plain maps and lists; an empty map where the text is none. */
    @NonCPS
    static Map parse(String text) {
        if (!text.trim()) {
            return [:]
        }
        def parsed = plain(new JsonSlurper().parseText(text.trim()))
        return parsed instanceof Map ? parsed : [:]
    }

    /** Why the plan must not run: it asks for what the Jenkinsfile does not allow; '' where it may. */
    @NonCPS
    static String problemWith(Map plan, Map config) {
        def app = plan.get('app')?.get('name') ?: ''
        if (config.get('app') && config.get('app') != app) {
            return "profileApp: the sage.yaml is that of the app '" + app + "', but the Jenkinsfile says app: '" +
                config.get('app') + "'"
        }
        for (target in plan.get('targets')) {
            def id = notAllowed(target, config.get('credentialsIds'))
            if (id) {
                return 'profileApp: ' + target.get('name') + " asks for the credential '" + id +
                    "'; allow it with credentialsIds: ['" + id + "']"
            }
        }
        return ''
    }

    /** The controller decides: what an agent says of a sage.yaml is no permission. */
    @NonCPS
    private static String notAllowed(Map target, List allowed) {
        for (secret in secretsOf(target)) {
            if (!allowed.contains(secret.get('credential'))) {
                return secret.get('credential')
            }
        }
        return ''
    }

    /** The targets that share a stage: its title, the label of its agent, and the targets' names and credentials. */
    @NonCPS
    static List groupsOf(Map plan, Map config) {
        def groups = []
        def byLabel = [:]
        for (target in plan.get('targets')) {
            def label = target.get('agent') ?: config.get('agent')
            def group = config.get('interleave') ? byLabel.get(label) : null
            if (group) {
                group.put('title', group.get('title') + ', ' + target.get('name'))
            } else {
                group = [title: titleOf(target.get('name'), config), label: label, targets: [], secrets: []]
                byLabel.put(label, group)
                groups.add(group)
            }
            group.get('targets').add(target.get('name'))
            addSecrets(group.get('secrets'), secretsOf(target))
        }
        return groups
    }

    /** A stage's title, which tells several calls of one build apart. */
    @NonCPS
    static String titleOf(String title, Map config) {
        return config.get('id') ? config.get('id') + ': ' + title : title
    }

    @NonCPS
    static String folderOf(String path) {
        def slash = path.lastIndexOf('/')
        return slash < 0 ? '.' : path.substring(0, slash)
    }

    @NonCPS
    static String fileOf(String path) {
        return path.substring(path.lastIndexOf('/') + 1)
    }

    /** The credentials of a target and of its services, each once. */
    @NonCPS
    static List secretsOf(Map target) {
        def wanted = target.get('secrets') ?: []
        for (service in (target.get('services') ?: [])) {
            wanted = wanted + (service.get('secrets') ?: [])
        }
        def found = []
        addSecrets(found, wanted)
        return found
    }

    /** Adds what is not there yet. */
    @NonCPS
    private static void addSecrets(List secrets, List more) {
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

    @NonCPS
    private static Object plain(Object value) {
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
}
