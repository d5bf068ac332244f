package org.profileapp

/** A part of the step: it calls the pipeline's steps, by `script`, and knows the values of the step's keys. */
class StepPart implements Serializable {
    private static final long serialVersionUID = 1

    Object script
    Map config

    StepPart(Object script, Map config) {
        this.script = script
        this.config = config
    }
}
