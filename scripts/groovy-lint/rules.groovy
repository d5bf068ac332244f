// CodeNarc's rules. Excluded are those that a pipeline script cannot follow, since Jenkins defines its syntax.
ruleset {
    ruleset('rulesets/basic.xml')
    ruleset('rulesets/braces.xml')
    ruleset('rulesets/concurrency.xml')
    ruleset('rulesets/design.xml') {
        // A step is untyped: Jenkins passes any type.
        exclude 'ImplementationAsType'
        exclude 'Instanceof'
    }
    ruleset('rulesets/exceptions.xml')
    ruleset('rulesets/groovyism.xml')
    ruleset('rulesets/imports.xml')
    ruleset('rulesets/naming.xml') {
        // A Jenkinsfile loads a library by @Library('name') _.
        VariableName { ignoreVariableNames = '_' }
        exclude 'FactoryMethodName'
    }
    ruleset('rulesets/security.xml') {
        // The sandbox enforces JavaIoPackageAccess and the like.
        exclude 'JavaIoPackageAccess'
    }
    ruleset('rulesets/unnecessary.xml') {
        exclude 'UnnecessaryReturnKeyword'
    }
    ruleset('rulesets/unused.xml') {
        UnusedVariable { ignoreVariableNames = '_' }
    }
    ruleset('rulesets/formatting.xml') {
        // [key: value], and [key   : value] in aligned tables.
        SpaceAroundMapEntryColon {
            characterBeforeColonRegex = /./
            characterAfterColonRegex = /\s/
        }
        LineLength { length = 120 }
        exclude 'ClassEndsWithBlankLine'
        exclude 'ClassStartsWithBlankLine'
    }
}
