package main

import "github.com/spf13/cobra"

// deskVerbs are what officers do at the desk of their own group. Each stands in a file of its name.
func deskVerbs(a *app) []*cobra.Command {
	return append(newSayingCmds(a, asking),
		newDetectCmd(a), newTriageCmd(a), newAdoptCmd(a), newAssessCmd(a), newSendCmd(a), newReleaseCmd(a), newInboxCmd(a), newShowCmd(a),
		newAckCmd(a), newWatchCmd(a), newStatusCmd(a), newLineCmd(a), newCardCmd(a), newLadderCmd(a), newExportCmd(a), newBackupCmd(a), newProofCmd(a), newDrillCmd(a), newDocumentsCmd(a), newRetryCmd(a),
	)
}
