package org.profileapp

import com.cloudbees.groovy.cps.NonCPS

/** The arguments of profileApp(), checked before any node is allocated. */
class Settings implements Serializable {
    private static final long serialVersionUID = 1

    /** Every key with its value, a plain string, list or boolean; `problem` is the error, '' if there is none. */
    @NonCPS
    static Map of(Map given) {
        def config = Keys.defaults()
        def problem = ''
        for (key in given.keySet()) {
            if (!config.containsKey(key)) {
                problem = problem ?: Keys.unknown(key.toString())
            } else if (given.get(key) != null) {
                config.put(key, plain(given.get(key)))
            }
        }
        problem = problem ?: wrongValue(config) ?: wrongCombination(config)
        def saved = !problem && isSaved(config.get('config'))
        // A saved configuration is merged into the workspace's sage.yaml.
        config.put('saved', saved ? config.get('config') : '')
        config.put('config', saved ? 'sage.yaml' : config.get('config'))
        // The prefix of stash names: an id contains no dot.
        config.put('stash', 'profileapp.' + (config.get('id') ? config.get('id') + '.' : ''))
        config.put('problem', problem ? 'profileApp: ' + problem : '')
        return config
    }

    /** Converts a GString to a string, without its expressions. */
    @NonCPS
    private static Object plain(Object value) {
        if (value instanceof List) {
            def copy = []
            for (each in value) {
                copy.add(plain(each))
            }
            return copy
        }
        return value instanceof CharSequence ? value.toString() : value
    }

    @NonCPS
    private static String wrongValue(Map config) {
        def types = Keys.defaults()
        for (key in types.keySet()) {
            def value = config.get(key)
            def allowed = allowedFor(types.get(key), value) ?: allowedOf(key, value)
            if (allowed) {
                return key + " is '" + value + "'; allowed: " + allowed
            }
        }
        return ''
    }

    /** The expected type of a value; '' if the type is correct. */
    @NonCPS
    private static String allowedFor(Object type, Object value) {
        if (type instanceof List) {
            return value instanceof List ? '' : 'a list of texts'
        }
        if (type instanceof Boolean) {
            return value instanceof Boolean ? '' : 'true, false'
        }
        return value instanceof String ? '' : 'text'
    }

    /** The expected form of a value of the correct type; '' if it is valid. */
    @NonCPS
    private static String allowedOf(String key, Object value) {
        if (Keys.CHOICES.get(key)) {
            return Keys.CHOICES.get(key).tokenize(', ').contains(value) ? '' : Keys.CHOICES.get(key)
        }
        if (['build', 'imageArchive'].contains(key)) {
            return leadsOut(value) ? 'a path in the workspace' : ''
        }
        return key != 'id' || value.matches('[A-Za-z0-9-]{0,30}') ? '' : 'at most 30 letters, digits and -'
    }

    @NonCPS
    private static String wrongCombination(Map config) {
        def image = config.get('build') || config.get('imageArchive')
        def database = config.get('databaseCredentialsId')
        def process = config.get('runtime') == 'process'
        def rules = [
            [config.get('build') && config.get('imageArchive'), 'build and imageArchive exclude one another'],
            [process && image, "the runtime 'process' needs no build or imageArchive"],
            [process && !config.get('command'), "the runtime 'process' needs the key command"],
            [!process && config.get('command'), "command needs runtime: 'process'"],
            [isSaved(config.get('config')) && !database, 'a saved configuration needs the key databaseCredentialsId'],
            [config.get('baseline') && !database && !config.get('baselineDir'),
                'baseline needs the key databaseCredentialsId or baselineDir'],
            [config.get('baselineSince') && !config.get('baseline'), 'baselineSince needs the key baseline'],
            [config.get('baselineDir') && !config.get('baseline'), 'baselineDir needs the key baseline'],
        ]
        for (rule in rules) {
            if (rule[0]) {
                return rule[1]
            }
        }
        return ''
    }

    /** Whether it is OWNER/APP/NAME; a path ends in .yaml or .yml. */
    @NonCPS
    private static boolean isSaved(String text) {
        return text.matches('[^/]+/[^/]+/[^/]+') && !text.endsWith('.yaml') && !text.endsWith('.yml')
    }

    /** Whether a path points outside the workspace or is a pattern. */
    @NonCPS
    private static boolean leadsOut(String path) {
        return path.startsWith('/') || path.tokenize('/').contains('..') || path.matches('(?s).*[*?,].*')
    }
}
