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
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import org.codehaus.groovy.control.CompilerConfiguration;
import org.codehaus.groovy.control.customizers.ImportCustomizer;

/**
 * Runs pipeline programs as Jenkins does: CPS-transformed, in the sandbox, one thread of Groovy at a time, and with the
 * state of the program saved at every step.
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

    /** A file of vars/, compiled once; null where there is none of that name. */
    Script libraryStep(String name) {
        return library.computeIfAbsent(name, key -> {
            Path file = vars.resolve(key + ".groovy");
            return Files.exists(file) ? parse(file) : null;
        });
    }

    Object run(Path jenkinsfile, Context context) throws Throwable {
        Script script = parse(jenkinsfile);
        return drive(new Continuable(script, Envs.empty(new SandboxInvoker())), context);
    }

    /** Runs the body of a step. */
    Object run(Closure<?> body, Context context) throws Throwable {
        Continuable continuable;
        groovy.lock();
        CURRENT.set(this);
        try {
            return body.call();
        } catch (CpsCallableInvocation invocation) {
            continuable = new Continuable(invocation.asBlock(), Envs.empty(new SandboxInvoker()));
        } finally {
            groovy.unlock();
        }
        return drive(continuable, context);
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

    private Object drive(Continuable program, Context context) throws Throwable {
        Outcome next = new Outcome(null, null);
        while (true) {
            Outcome outcome = advance(program, next, context);
            if (!program.isResumable()) {
                if (outcome.isFailure()) {
                    throw outcome.getAbnormal();
                }
                return outcome.getNormal();
            }
            PipelineScript.StepCall call = (PipelineScript.StepCall) outcome.getNormal();
            try {
                save(program, call);
                next = new Outcome(steps.execute(call, context), null);
            } catch (Throwable error) {
                next = new Outcome(null, error);
            }
        }
    }

    private Outcome advance(Continuable program, Outcome next, Context context) {
        groovy.lock();
        CURRENT.set(this);
        Context.set(context);
        sandbox.register();
        try {
            return program.run0(next);
        } finally {
            sandbox.unregister();
            groovy.unlock();
        }
    }

    /** Jenkins writes the program to disk at every step, and reads it after a restart: what cannot be ends the build there. */
    private void save(Continuable program, PipelineScript.StepCall call) {
        ByteArrayOutputStream saved = new ByteArrayOutputStream();
        try (ObjectOutputStream stream = new ObjectOutputStream(saved)) {
            stream.writeObject(program);
            stream.flush();
            new ProgramReader(saved.toByteArray()).readObject();
        } catch (IOException | ClassNotFoundException error) {
            throw new IllegalStateException("at step " + call.name() + " the program cannot be saved: " + error, error);
        }
    }
}
