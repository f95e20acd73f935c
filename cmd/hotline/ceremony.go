package main

import "github.com/spf13/cobra"

// ceremonyVerbs work without any network: on the machine where the keys are made and the documents signed.
func ceremonyVerbs(a *app) []*cobra.Command {
	return []*cobra.Command{newPartyCmd(a), newOfficerCmd(a), newNodeCmd(a), newConventionCmd(a), newDirectoryCmd(a), newKeyCmd(a)}
}
