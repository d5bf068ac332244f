package org.profileapp.pipeline;

import com.cloudbees.groovy.cps.Continuable;
import groovy.lang.Script;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.Serializable;
import java.util.Arrays;
import java.util.List;
import org.codehaus.groovy.runtime.InvokerHelper;

/** Base class of every Jenkinsfile and every file in vars/: an unknown method is a step, or a step of the library. */
public abstract class PipelineScript extends Script implements Serializable {
    private static final long serialVersionUID = 1;

    @Override
    public Object invokeMethod(String name, Object args) {
        List<Object> arguments = Arrays.asList(InvokerHelper.asArray(args));
        Engine engine = Engine.current();
        if (engine.hasStep(name)) {
            engine.refuseStepOutsideCps(name);
            return Continuable.suspend(new StepCall(name, arguments));
        }
        Script library = engine.libraryStep(name);
        if (library != null) {
            return InvokerHelper.getMetaClass(library).invokeMethod(library, "call", arguments.toArray());
        }
        throw new NoSuchMethodError("No such DSL method '" + name + "' found among steps");
    }

    /** What is global is not saved with a program, and is there again after a restart. */
    private void readObject(ObjectInputStream stream) throws IOException, ClassNotFoundException {
        stream.defaultReadObject();
        setBinding(Engine.current().binding());
    }

    /** A step that the program waits for. */
    public record StepCall(String name, List<Object> arguments) {}
}
