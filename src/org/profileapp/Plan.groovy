package org.profileapp

import com.cloudbees.groovy.cps.NonCPS
import groovy.json.JsonSlurper

/** The worker's plan as plain maps and lists, which Jenkins can serialise with the build. */
class Plan implements Serializable {
    private static final long serialVersionUID = 1

    /** Parses JSON into plain maps and lists; an empty map for invalid text. */
    @NonCPS
    static Map parse(String text) {
        if (!text.trim()) {
            return [:]
        }
        def parsed = plain(new JsonSlurper().parseText(text.trim()))
        return parsed instanceof Map ? parsed : [:]
    }

    /** Why the plan must not run: it requests something that the Jenkinsfile does not allow; '' if it may run. */
    @NonCPS
    static String problemWith(Map plan, Map config) {
        def app = plan.get('app')?.get('name') ?: ''
        if (config.get('app') && config.get('app') != app) {
            return "profileApp: the sage.yaml is that of the app '" + app + "', but the Jenkinsfile says app: '" +
                config.get('app') + "'"
        }
        for (group in (plan.get('groups') ?: [])) {
            def id = notAllowed(group, config.get('credentialsIds'))
            if (id) {
                return 'profileApp: ' + group.get('name') + " asks for the credential '" + id +
                    "'; allow it with credentialsIds: ['" + id + "']"
            }
        }
        return ''
    }

    /** Decided on the controller: an agent's statement about a sage.yaml is not a permission. */
    @NonCPS
    private static String notAllowed(Map group, List allowed) {
        for (secret in (group.get('secrets') ?: [])) {
            if (!allowed.contains(secret.get('credential'))) {
                return secret.get('credential')
            }
        }
        return ''
    }

    /** A stage's title, which distinguishes several calls in one build. */
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
