package org.profileapp.pipeline;

import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;

/** `@Library('profileapp') _`: the library under test is always loaded, so there is nothing to do. */
@Retention(RetentionPolicy.SOURCE)
public @interface Library {
    String[] value();
}
