package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
)

// factFlags are the coded facts as flags.
type factFlags struct {
	nature, category, relation, actor, state string
	sectors, indicators, networks            []string
	measures, help                           string
}

func (f *factFlags) flags(cmd *cobra.Command) {
	fl := cmd.Flags()
	words := func(set string) string { return strings.Join(hotline.FactCodes[set], ", ") }
	fl.StringVar(&f.nature, "nature", "", words("nature"))
	fl.StringVar(&f.category, "category", "", words("category"))
	fl.StringVar(&f.relation, "relation", "", "of the own territory: "+words("relation"))
	fl.StringVar(&f.actor, "actor", "", words("actor")+" (default not-assessed)")
	fl.StringVar(&f.state, "state", "", words("state"))
	fl.StringSliceVar(&f.sectors, "sector", nil, "target sector, may be given again: "+words("sector"))
	fl.StringArrayVar(&f.indicators, "indicator", nil, "indicator, may be given again")
	fl.StringSliceVar(&f.networks, "network", nil, "origin network in CIDR notation, may be given again")
	fl.StringVar(&f.measures, "measures", "", "measures taken")
	fl.StringVar(&f.help, "help-offered", "", "help offered")
}

// apply overlays the flags that were given on facts. Facts that have no default and were not given stay zero.
func (f *factFlags) apply(cmd *cobra.Command, facts *hotline.Facts) error {
	for _, c := range []struct {
		set, given string
		to         *uint8
	}{
		{"nature", f.nature, &facts.Nature}, {"category", f.category, &facts.Category}, {"relation", f.relation, &facts.Relation},
		{"actor", f.actor, &facts.Actor}, {"state", f.state, &facts.State},
	} {
		if c.given == "" {
			continue
		}
		n, err := word(cmd, c.set, c.given, hotline.FactCodes[c.set])
		if err != nil {
			return err
		}
		*c.to = n
	}
	if len(f.sectors) > 0 {
		facts.Sectors = nil
		for _, given := range f.sectors {
			n, err := word(cmd, "sector", given, hotline.FactCodes["sector"])
			if err != nil {
				return err
			}
			facts.Sectors = append(facts.Sectors, uint16(n))
		}
		slices.Sort(facts.Sectors)
		facts.Sectors = slices.Compact(facts.Sectors)
	}
	if len(f.indicators) > 0 {
		facts.Indicators = f.indicators
	}
	if len(f.networks) > 0 {
		facts.Networks = f.networks
	}
	if f.measures != "" {
		facts.Measures = f.measures
	}
	if f.help != "" {
		facts.Help = f.help
	}
	return nil
}

// notAssessed are the facts of somebody who has found out nothing.
func notAssessed() hotline.Facts {
	return hotline.Facts{Nature: 3, Category: 5, Relation: 4, Actor: 1, State: 1}
}
