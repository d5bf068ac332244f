package org.profileapp.pipeline;

import com.cloudbees.groovy.cps.Continuable;
import com.cloudbees.groovy.cps.Envs;
import com.cloudbees.groovy.cps.NonCPS;
import com.cloudbees.groovy.cps.Outcome;
import com.cloudbees.groovy.cps.SandboxCpsTransformer;
import com.cloudbees.groovy.cps.TransformerConfiguration;
import com.cloudbees.groovy.cps.impl.CpsCallableInvocation;
import com.cloudbees.groovy.cps.sandbox.SandboxInvoker;
import groovy.lang.Binding;
import groovy.lang.Closure;
import groovy.lang.GroovyClassLoader;
import groovy.lang.GroovyShell;
import groovy.lang.Script;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.ObjectStreamClass;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import org.codehaus.groovy.control.CompilerConfiguration;
import org.codehaus.groovy.control.customizers.ImportCustomizer;

/**
 * Runs pipeline programs as Jenkins does: CPS-transformed, in the sandbox, with one Groovy thread at a time.
 * The state of the program is saved at every step.
 */
final class Engine {
    private static final ThreadLocal<Engine> CURRENT = new ThreadLocal<>();

    private final Steps steps;
    private final Path vars;
    private final GroovyShell shell;
    private final Binding binding = new Binding();
    private final Map<String, Script> library = new HashMap<>();
    private final Sandbox sandbox = new Sandbox();
    private final ReentrantLock groovy = new ReentrantLock();
    /** All that runs; changed under the lock. */
    private final List<Head> heads = new ArrayList<>();

    Engine(Steps steps, Path vars, Path src) {
        this.steps = steps;
        this.vars = vars;
        SandboxCpsTransformer transformer = new SandboxCpsTransformer();
        transformer.setConfiguration(new TransformerConfiguration());
        CompilerConfiguration configuration = new CompilerConfiguration();
        configuration.addCompilationCustomizers(
                new ImportCustomizer().addImports(NonCPS.class.getName(), Library.class.getName()), transformer);
        configuration.setScriptBaseClass(PipelineScript.class.getName());
        shell = new GroovyShell(Engine.class.getClassLoader(), binding, configuration);
        shell.getClassLoader().addClasspath(src.toString());
    }

    static Engine current() {
        return CURRENT.get();
    }

    Binding binding() {
        return binding;
    }

    boolean hasStep(String name) {
        return steps.has(name);
    }

    /** A file of vars/, compiled once; null if there is none with that name. */
    Script libraryStep(String name) {
        return library.computeIfAbsent(name, key -> {
            Path file = vars.resolve(key + ".groovy");
            return Files.exists(file) ? parse(file) : null;
        });
    }

    Object run(Path jenkinsfile, Context context) throws Throwable {
        Script script = parse(jenkinsfile);
        return drive(begin(new Continuable(script, Envs.empty(new SandboxInvoker()))), context);
    }

    /** Runs the body of a step. */
    Object run(Closure<?> body, Context context) throws Throwable {
        Head head;
        groovy.lock();
        CURRENT.set(this);
        try {
            return restored(body).call();
        } catch (CpsCallableInvocation invocation) {
            head = begin(new Continuable(invocation.asBlock(), Envs.empty(new SandboxInvoker())));
        } finally {
            groovy.unlock();
        }
        return drive(head, context);
    }

    /**
     * As a restart of the controller: saves the whole program, with all its branches, and goes on with what is read back.
     * Steps under way go on, as a durable task does on its agent.
     */
    void restart() {
        groovy.lock();
        CURRENT.set(this);
        try {
            List<List<Object>> state = new ArrayList<>();
            for (Head head : heads) {
                state.add(new ArrayList<>(List.of(head.program, new ArrayList<Object>(head.bodies.values()))));
            }
            List<?> read = (List<?>) copyOf(state);
            for (int index = 0; index < heads.size(); index++) {
                List<?> one = (List<?>) read.get(index);
                heads.get(index).restore((Continuable) one.get(0), (List<?>) one.get(1));
            }
        } catch (IOException | ClassNotFoundException error) {
            throw new IllegalStateException("the program cannot be saved: " + error, error);
        } finally {
            groovy.unlock();
        }
    }

    private Head begin(Continuable program) {
        groovy.lock();
        try {
            Head head = new Head(program);
            heads.add(head);
            return head;
        } finally {
            groovy.unlock();
        }
    }

    /** The body of a step under way, which may have been saved and read since the step began. */
    private Closure<?> restored(Closure<?> body) {
        for (Head head : heads) {
            if (head.bodies.containsKey(body)) {
                return head.bodies.get(body);
            }
        }
        return body;
    }

    /** One thread of the program, and the bodies of the step that it waits for, by what the step was given. */
    private static final class Head {
        private Continuable program;
        private final Map<Closure<?>, Closure<?>> bodies = new IdentityHashMap<>();

        Head(Continuable program) {
            this.program = program;
        }

        void waitFor(Object outcome) {
            bodies.clear();
            if (outcome instanceof PipelineScript.StepCall call) {
                call.arguments().forEach(this::addBodies);
            }
        }

        private void addBodies(Object argument) {
            if (argument instanceof Closure<?> body) {
                bodies.put(body, body);
            } else if (argument instanceof Map<?, ?> named) {
                named.values().forEach(this::addBodies);
            }
        }

        void restore(Continuable read, List<?> readBodies) {
            program = read;
            int index = 0;
            for (Map.Entry<Closure<?>, Closure<?>> each : bodies.entrySet()) {
                each.setValue((Closure<?>) readBodies.get(index++));
            }
        }
    }

    /** A step called from code that is not CPS-transformed would make Jenkins lose the rest of that code. */
    void refuseStepOutsideCps(String step) {
        Optional<String> culprit = StackWalker.getInstance(StackWalker.Option.RETAIN_CLASS_REFERENCE).walk(frames -> frames
                .takeWhile(frame -> !frame.getClassName().startsWith("com.cloudbees.groovy.cps.impl."))
                .filter(frame -> frame.getDeclaringClass().getClassLoader() instanceof GroovyClassLoader
                        || frame.getClassName().endsWith("GroovyMethods"))
                .map(frame -> frame.getClassName() + "." + frame.getMethodName())
                .findFirst());
        if (culprit.isPresent()) {
            throw new IllegalStateException("step " + step + " was called from " + culprit.get() + ", which is not CPS");
        }
    }

    private Script parse(Path file) {
        try {
            String name = file.getFileName().toString().replace(".groovy", "");
            return shell.parse(Files.readString(file), name + ".groovy");
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
    }

    /** Finds the classes of the program and of the library. */
    private final class ProgramReader extends ObjectInputStream {
        ProgramReader(byte[] saved) throws IOException {
            super(new ByteArrayInputStream(saved));
        }

        @Override
        protected Class<?> resolveClass(ObjectStreamClass description) throws IOException, ClassNotFoundException {
            try {
                return Class.forName(description.getName(), false, shell.getClassLoader());
            } catch (ClassNotFoundException error) {
                return super.resolveClass(description);
            }
        }
    }

    private Object drive(Head head, Context context) throws Throwable {
        Outcome next = new Outcome(null, null);
        try {
            while (true) {
                Outcome outcome = advance(head, next, context);
                if (!head.program.isResumable()) {
                    if (outcome.isFailure()) {
                        throw outcome.getAbnormal();
                    }
                    return outcome.getNormal();
                }
                PipelineScript.StepCall call = (PipelineScript.StepCall) outcome.getNormal();
                try {
                    save(head.program, call);
                    next = new Outcome(steps.execute(call, context), null);
                } catch (Throwable error) {
                    next = new Outcome(null, error);
                }
            }
        } finally {
            groovy.lock();
            try {
                heads.remove(head);
            } finally {
                groovy.unlock();
            }
        }
    }

    private Outcome advance(Head head, Outcome next, Context context) {
        groovy.lock();
        CURRENT.set(this);
        Context.set(context);
        sandbox.register();
        try {
            Outcome outcome = head.program.run0(next);
            head.waitFor(outcome.isFailure() ? null : outcome.getNormal());
            return outcome;
        } finally {
            sandbox.unregister();
            groovy.unlock();
        }
    }

    /** Jenkins saves the program at every step, and loads it after a restart: state that cannot be saved fails the build. */
    private void save(Continuable program, PipelineScript.StepCall call) {
        try {
            copyOf(program);
        } catch (IOException | ClassNotFoundException error) {
            throw new IllegalStateException("at step " + call.name() + " the program cannot be saved: " + error, error);
        }
    }

    private Object copyOf(Object state) throws IOException, ClassNotFoundException {
        ByteArrayOutputStream saved = new ByteArrayOutputStream();
        try (ObjectOutputStream stream = new ObjectOutputStream(saved)) {
            stream.writeObject(state);
        }
        return new ProgramReader(saved.toByteArray()).readObject();
    }
}
