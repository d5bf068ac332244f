package org.profileapp.pipeline;

import groovy.lang.GroovyObjectSupport;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;

/** The agent (null: none), folder and environment of a step. */
record Context(Agent agent, Path folder, Map<String, String> environment) {
    private static final ThreadLocal<Context> CURRENT = new ThreadLocal<>();

    static void set(Context context) {
        CURRENT.set(context);
    }

    Context in(Path other) {
        return new Context(agent, other, environment);
    }

    Context with(Map<String, String> more) {
        Map<String, String> all = new TreeMap<>(environment);
        all.putAll(more);
        return new Context(agent, folder, all);
    }

    Path folderOrFail(String step) {
        if (folder == null) {
            throw new IllegalStateException("step " + step + " needs a node");
        }
        return folder;
    }

    /** The global variable `env`. */
    static final class Env extends GroovyObjectSupport {
        @Override
        public Object getProperty(String name) {
            return CURRENT.get().environment().get(name);
        }
    }

    /** The global variable `currentBuild`. */
    static final class CurrentBuild extends GroovyObjectSupport {
        private final Build build;

        CurrentBuild(Build build) {
            this.build = build;
        }

        public String getDescription() {
            return build.description;
        }

        public void setDescription(String description) {
            build.description = description;
        }

        public String getResult() {
            return build.result;
        }
    }
}
