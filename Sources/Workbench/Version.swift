/// The program's version; recorded in every artefact and run folder.
package let halftoneVersion = "0.1.0"
