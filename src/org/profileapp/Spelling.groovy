package org.profileapp

import com.cloudbees.groovy.cps.NonCPS

/** Finds what a mistyped name was meant to be. */
class Spelling implements Serializable {
    private static final long serialVersionUID = 1

    /** The closest of the names, in upper or lower case; '' if more than a third of the letters differ. */
    @NonCPS
    static String closest(String given, Collection names) {
        if (!allowedEdits(given)) {
            return ''
        }
        def closest = ''
        def fewest = allowedEdits(given) + 1
        for (name in names) {
            def count = edits(given.toLowerCase(), name.toLowerCase())
            if (count < fewest) {
                fewest = count
                closest = name
            }
        }
        return closest
    }

    /** A third of a name's letters; none of one that is longer than any. */
    @NonCPS
    private static int allowedEdits(String given) {
        def allowed = 0
        for (int i = 3; given.length() < 40 && i < given.length() + 1; i = i + 3) {
            allowed = allowed + 1
        }
        return allowed
    }

    /** How many letters must be inserted, left out, replaced or swapped with the next (optimal string alignment). */
    @NonCPS
    static int edits(String from, String to) {
        def before = []
        def last = [0]
        for (int j = 0; j < to.length(); j++) {
            last.add(j + 1)
        }
        for (int i = 1; i < from.length() + 1; i++) {
            def row = nextRow(from, to, i, [before, last])
            before = last
            last = row
        }
        return last[to.length()]
    }

    /** The edits from the first `i` letters of one to each beginning of the other, by the two rows before it. */
    @NonCPS
    private static List nextRow(String from, String to, int i, List rows) {
        def before = rows[0]
        def last = rows[1]
        def row = [i]
        for (int j = 1; j < to.length() + 1; j++) {
            def same = from.charAt(i - 1) == to.charAt(j - 1)
            def fewest = Math.min(Math.min(last[j] + 1, row[j - 1] + 1), last[j - 1] + (same ? 0 : 1))
            if (i > 1 && j > 1 && from.charAt(i - 1) == to.charAt(j - 2) && from.charAt(i - 2) == to.charAt(j - 1)) {
                fewest = Math.min(fewest, before[j - 2] + 1)
            }
            row.add(fewest)
        }
        return row
    }
}
