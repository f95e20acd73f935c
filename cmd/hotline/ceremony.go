package main

import "github.com/spf13/cobra"

// ceremonyVerbs work without any network: on the machine where the keys are made and the documents signed.
func ceremonyVerbs(*app) []*cobra.Command { return nil }
