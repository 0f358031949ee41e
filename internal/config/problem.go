package config

import "github.com/keybearer/keybearer/internal/yamlpos"

// Position is a place in a file. Line and Column count from 1; 0 means the file as a whole.
type Position = yamlpos.Position

// Problem is something wrong or doubtful in a configuration.
type Problem = yamlpos.Problem

// Problems are all problems of one configuration, in the order of their positions.
type Problems = yamlpos.Problems
