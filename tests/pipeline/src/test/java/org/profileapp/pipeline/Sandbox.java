package org.profileapp.pipeline;

import groovy.lang.Closure;
import groovy.lang.GroovyClassLoader;
import groovy.lang.Script;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.codehaus.groovy.runtime.DefaultGroovyMethods;
import org.codehaus.groovy.runtime.GStringImpl;
import org.codehaus.groovy.runtime.ScriptBytecodeAdapter;
import org.codehaus.groovy.runtime.StringGroovyMethods;
import org.kohsuke.groovy.sandbox.GroovyInterceptor;
import org.kohsuke.groovy.sandbox.impl.Checker;

/**
 * Allows only the entries of whitelist.txt and the pipeline's members (steps, its methods, env).
 * The list has those lines of script-security's generic-whitelist that vars/ and src/ need.
 */
final class Sandbox extends GroovyInterceptor {
    private static final List<Class<?>> GROOVY_METHODS = List.of(DefaultGroovyMethods.class, StringGroovyMethods.class);

    /** Arithmetic without a method of a class; script-security's SandboxInterceptor also allows it by name. */
    private static final Set<String> NUMBER_MATH = Set.of("plus", "minus", "multiply");

    private final Set<String> allowed;

    Sandbox() {
        try (BufferedReader lines = new BufferedReader(new InputStreamReader(
                Sandbox.class.getResourceAsStream("/whitelist.txt"), StandardCharsets.UTF_8))) {
            allowed = lines.lines().filter(line -> !line.isBlank() && !line.startsWith("#")).collect(Collectors.toSet());
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
    }

    @Override
    public Object onMethodCall(Invoker invoker, Object receiver, String method, Object... args) throws Throwable {
        boolean ownClosure = receiver instanceof Closure && (method.equals("call") || method.equals("doCall"));
        if (!isOwn(receiver) && !ownClosure && !isAllowed(receiver, method, args)) {
            throw refuse("method " + receiver.getClass().getName() + " " + method + typesOf(args));
        }
        return super.onMethodCall(invoker, receiver, method, args);
    }

    @Override
    public Object onStaticCall(Invoker invoker, Class receiver, String method, Object... args) throws Throwable {
        // The sandbox's checks are calls in the program; their targets are checked here again.
        // The values of a GString, as this version of groovy-cps assembles them.
        boolean ofGString = receiver == ScriptBytecodeAdapter.class && method.equals("asType") && args[1] instanceof Class<?> to && to.isArray();
        boolean ownCheck = receiver == Checker.class || ofGString || isOfTheProgram(receiver);
        if (!ownCheck && declared(receiver, method, args).noneMatch(each -> allowed.contains("staticMethod " + signature(each)))) {
            throw refuse("staticMethod " + receiver.getName() + " " + method + typesOf(args));
        }
        return super.onStaticCall(invoker, receiver, method, args);
    }

    @Override
    public Object onNewInstance(Invoker invoker, Class receiver, Object... args) throws Throwable {
        boolean known = isOfTheProgram(receiver) || receiver == GStringImpl.class || Arrays.stream(receiver.getConstructors())
                .filter(each -> accepts(each.getParameterTypes(), args))
                .anyMatch(each -> allowed.contains("new " + receiver.getName() + namesOf(each.getParameterTypes())));
        if (!known) {
            throw refuse("new " + receiver.getName() + typesOf(args));
        }
        return super.onNewInstance(invoker, receiver, args);
    }

    @Override
    public void onSuperConstructor(Invoker invoker, Class receiver, Object... args) throws Throwable {
        if (receiver != PipelineScript.class && receiver != Object.class) {
            super.onSuperConstructor(invoker, receiver, args);
        }
    }

    @Override
    public Object onGetProperty(Invoker invoker, Object receiver, String property) throws Throwable {
        if (!isOwn(receiver) && !(receiver instanceof Map)) {
            String getter = "get" + property.substring(0, 1).toUpperCase() + property.substring(1);
            boolean ownConstant = receiver instanceof Class<?> type && isOfTheProgram(type);
            if (!ownConstant && (receiver instanceof Class || !isAllowed(receiver, getter))) {
                throw refuse("property " + receiver.getClass().getName() + " " + property);
            }
        }
        return super.onGetProperty(invoker, receiver, property);
    }

    @Override
    public Object onSetProperty(Invoker invoker, Object receiver, String property, Object value) throws Throwable {
        if (!(receiver instanceof Context.CurrentBuild) && !(receiver instanceof Map) && !isOwn(receiver)) {
            throw refuse("set property " + receiver.getClass().getName() + " " + property);
        }
        return super.onSetProperty(invoker, receiver, property, value);
    }

    @Override
    public Object onGetArray(Invoker invoker, Object receiver, Object index) throws Throwable {
        if (!isAllowed(receiver, "getAt", index)) {
            throw refuse("getAt of " + receiver.getClass().getName());
        }
        return super.onGetArray(invoker, receiver, index);
    }

    @Override
    public Object onSetArray(Invoker invoker, Object receiver, Object index, Object value) throws Throwable {
        if (!isAllowed(receiver, "putAt", index, value)) {
            throw refuse("putAt of " + receiver.getClass().getName());
        }
        return super.onSetArray(invoker, receiver, index, value);
    }

    @Override
    public Object onGetAttribute(Invoker invoker, Object receiver, String attribute) {
        throw refuse("attribute " + attribute);
    }

    @Override
    public Object onSetAttribute(Invoker invoker, Object receiver, String attribute, Object value) {
        throw refuse("attribute " + attribute);
    }

    private static boolean isOwn(Object receiver) {
        return receiver instanceof Script || receiver instanceof Context.Env || receiver instanceof Context.CurrentBuild
                || (receiver != null && !(receiver instanceof Closure) && isOfTheProgram(receiver.getClass()));
    }

    /** A class of the program or the library itself, as allowed by script-security's ClassLoaderWhitelist. */
    private static boolean isOfTheProgram(Class<?> type) {
        return type.getClassLoader() instanceof GroovyClassLoader;
    }

    private boolean isAllowed(Object receiver, String method, Object... args) {
        if (receiver == null) {
            return true; // Groovy's own NullPointerException is what the program shall see.
        }
        if (receiver instanceof Number && args.length == 1 && args[0] instanceof Number && NUMBER_MATH.contains(method)) {
            return true;
        }
        boolean ofTheClass = supertypes(receiver.getClass())
                .flatMap(type -> declared(type, method, args))
                .anyMatch(each -> allowed.contains("method " + signature(each)));
        Object[] withReceiver = Stream.concat(Stream.of(receiver), Arrays.stream(args)).toArray();
        return ofTheClass || GROOVY_METHODS.stream()
                .flatMap(type -> declared(type, method, withReceiver))
                .anyMatch(each -> GROOVY_METHODS.stream().anyMatch(type -> allowed.contains(
                        "staticMethod " + type.getName() + " " + method + namesOf(each.getParameterTypes()))));
    }

    private static Stream<Class<?>> supertypes(Class<?> type) {
        Stream<Class<?>> above = Arrays.stream(type.getInterfaces());
        if (type.getSuperclass() != null) {
            above = Stream.concat(above, Stream.of(type.getSuperclass()));
        }
        return Stream.concat(Stream.of(type), above.flatMap(Sandbox::supertypes));
    }

    private static Stream<Method> declared(Class<?> type, String name, Object... args) {
        return Arrays.stream(type.getDeclaredMethods())
                .filter(method -> method.getName().equals(name) && accepts(method.getParameterTypes(), args));
    }

    private static boolean accepts(Class<?>[] types, Object[] args) {
        if (types.length != args.length) {
            return false;
        }
        for (int index = 0; index < types.length; index++) {
            Object arg = args[index];
            boolean text = types[index] == String.class && arg instanceof CharSequence;
            boolean number = types[index].isPrimitive() && (arg instanceof Number || arg instanceof Character);
            if (arg != null && !types[index].isInstance(arg) && !text && !number) {
                return false;
            }
        }
        return true;
    }

    private static String signature(Method method) {
        return method.getDeclaringClass().getName() + " " + method.getName() + namesOf(method.getParameterTypes());
    }

    private static String namesOf(Class<?>[] types) {
        return Arrays.stream(types).map(type -> " " + type.getCanonicalName()).collect(Collectors.joining());
    }

    private static String typesOf(Object[] args) {
        return Arrays.stream(args).map(arg -> " " + (arg == null ? "null" : arg.getClass().getName()))
                .collect(Collectors.joining());
    }

    private static SecurityException refuse(String what) {
        return new SecurityException("Scripts not permitted to use " + what);
    }
}
