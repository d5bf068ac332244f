package org.profileapp.pipeline;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.cloudbees.groovy.cps.NonCPS;
import com.cloudbees.groovy.cps.SandboxCpsTransformer;
import com.cloudbees.groovy.cps.TransformerConfiguration;
import groovy.lang.GroovyShell;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.codehaus.groovy.control.CompilerConfiguration;
import org.codehaus.groovy.control.customizers.ImportCustomizer;
import org.junit.jupiter.api.Test;

/** The Groovy of README and docs compiles as Jenkins compiles a Jenkinsfile: CPS-transformed, for the sandbox. */
class DocsTest {
    private static final Pattern BLOCK = Pattern.compile("^```groovy\\n(.*?)^```", Pattern.DOTALL | Pattern.MULTILINE);

    @Test
    void everyBlockCompiles() throws Exception {
        int blocks = 0;
        for (Path page : pages()) {
            Matcher found = BLOCK.matcher(Files.readString(page));
            while (found.find()) {
                String text = found.group(1);
                assertDoesNotThrow(() -> shell().parse(text), page + ":\n" + text);
                blocks++;
            }
        }
        assertTrue(blocks >= 9, blocks + " blocks");
    }

    private static List<Path> pages() throws Exception {
        List<Path> pages = new ArrayList<>(List.of(Jenkins.ROOT.resolve("README.md")));
        try (Stream<Path> files = Files.walk(Jenkins.ROOT.resolve("docs"))) {
            files.filter(each -> each.toString().endsWith(".md")).forEach(pages::add);
        }
        return pages;
    }

    private static GroovyShell shell() {
        SandboxCpsTransformer transformer = new SandboxCpsTransformer();
        transformer.setConfiguration(new TransformerConfiguration());
        CompilerConfiguration configuration = new CompilerConfiguration();
        configuration.addCompilationCustomizers(
                new ImportCustomizer().addImports(NonCPS.class.getName(), Library.class.getName()), transformer);
        configuration.setScriptBaseClass(PipelineScript.class.getName());
        return new GroovyShell(DocsTest.class.getClassLoader(), configuration);
    }
}
