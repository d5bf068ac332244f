// What CodeNarc looks for. Left out: what a pipeline script cannot follow, as its syntax is Jenkins' own.
ruleset {
    ruleset('rulesets/basic.xml')
    ruleset('rulesets/braces.xml')
    ruleset('rulesets/concurrency.xml')
    ruleset('rulesets/design.xml') {
        // A step is untyped: Jenkins hands it what it has.
        exclude 'ImplementationAsType'
        exclude 'Instanceof'
    }
    ruleset('rulesets/exceptions.xml')
    ruleset('rulesets/groovyism.xml')
    ruleset('rulesets/imports.xml')
    ruleset('rulesets/naming.xml') {
        // @Library('name') _ is how a Jenkinsfile loads a library.
        VariableName { ignoreVariableNames = '_' }
        exclude 'FactoryMethodName'
    }
    ruleset('rulesets/security.xml') {
        // JavaIoPackageAccess and the like are the sandbox's to refuse.
        exclude 'JavaIoPackageAccess'
    }
    ruleset('rulesets/unnecessary.xml') {
        exclude 'UnnecessaryReturnKeyword'
    }
    ruleset('rulesets/unused.xml') {
        UnusedVariable { ignoreVariableNames = '_' }
    }
    ruleset('rulesets/formatting.xml') {
        // [key: value], and [key   : value] where a table is aligned.
        SpaceAroundMapEntryColon {
            characterBeforeColonRegex = /./
            characterAfterColonRegex = /\s/
        }
        LineLength { length = 120 }
        exclude 'ClassEndsWithBlankLine'
        exclude 'ClassStartsWithBlankLine'
    }
}
