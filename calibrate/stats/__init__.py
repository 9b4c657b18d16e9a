"""Statistics of meters that measured the same runs: pure functions on arrays.

    from calibrate.stats import deming, log_ratio, limits_of_agreement

docs/statistics.md has every function with an example and its source. Nothing here reads a file or
knows of probes. A name is imported from its module when it is first used, so that importing this
package costs nothing: scipy, statsmodels and pandas wait for what needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# An alias of the same name tells type checkers that a name is exported.
if TYPE_CHECKING:
    from calibrate.stats.agreement import Components as Components
    from calibrate.stats.agreement import LimitsOfAgreement as LimitsOfAgreement
    from calibrate.stats.agreement import MeanCorrection as MeanCorrection
    from calibrate.stats.agreement import MeanRatio as MeanRatio
    from calibrate.stats.agreement import components as components
    from calibrate.stats.agreement import correction as correction
    from calibrate.stats.agreement import exact_limits as exact_limits
    from calibrate.stats.agreement import limits_of_agreement as limits_of_agreement
    from calibrate.stats.agreement import limits_of_differences as limits_of_differences
    from calibrate.stats.agreement import mean_ratio as mean_ratio
    from calibrate.stats.agreement import mover_limits as mover_limits
    from calibrate.stats.agreement import prediction as prediction
    from calibrate.stats.alignment import Alignment as Alignment
    from calibrate.stats.alignment import align as align
    from calibrate.stats.bootstrap_interval import bootstrap as bootstrap
    from calibrate.stats.bootstrap_interval import cluster_mean as cluster_mean
    from calibrate.stats.bootstrap_interval import mean_of as mean_of
    from calibrate.stats.conformal_interval import conformal as conformal
    from calibrate.stats.conformal_interval import guaranteed_level as guaranteed_level
    from calibrate.stats.consensus_mean import Consensus as Consensus
    from calibrate.stats.consensus_mean import consensus as consensus
    from calibrate.stats.deming_line import deming as deming
    from calibrate.stats.deming_line import exponent as exponent
    from calibrate.stats.deming_line import weighted_deming as weighted_deming
    from calibrate.stats.drift import LEAST_SESSIONS as LEAST_SESSIONS
    from calibrate.stats.drift import ChangeOfLevel as ChangeOfLevel
    from calibrate.stats.drift import ControlChart as ControlChart
    from calibrate.stats.drift import Trend as Trend
    from calibrate.stats.drift import change_of_level as change_of_level
    from calibrate.stats.drift import en_number as en_number
    from calibrate.stats.drift import ewma as ewma
    from calibrate.stats.drift import trend as trend
    from calibrate.stats.equivalence import Equivalence as Equivalence
    from calibrate.stats.equivalence import ToleranceGate as ToleranceGate
    from calibrate.stats.equivalence import equivalent_ratio as equivalent_ratio
    from calibrate.stats.equivalence import holm as holm
    from calibrate.stats.equivalence import tolerance_gate as tolerance_gate
    from calibrate.stats.equivalence import tost as tost
    from calibrate.stats.estimate import MAX_LOG as MAX_LOG
    from calibrate.stats.estimate import Estimate as Estimate
    from calibrate.stats.estimate import Vector as Vector
    from calibrate.stats.estimate import encode as encode
    from calibrate.stats.estimate import log_ratio as log_ratio
    from calibrate.stats.estimate import ratio_estimate as ratio_estimate
    from calibrate.stats.estimate import t_estimate as t_estimate
    from calibrate.stats.fleet_ratios import Fleet as Fleet
    from calibrate.stats.fleet_ratios import fleet as fleet
    from calibrate.stats.forms import ByLoad as ByLoad
    from calibrate.stats.forms import GainOffset as GainOffset
    from calibrate.stats.forms import Offset as Offset
    from calibrate.stats.forms import fit_by_load as fit_by_load
    from calibrate.stats.forms import fit_gain_offset as fit_gain_offset
    from calibrate.stats.forms import fit_offset as fit_offset
    from calibrate.stats.forms import worst_held_out as worst_held_out
    from calibrate.stats.hats import Hats as Hats
    from calibrate.stats.hats import collocation as collocation
    from calibrate.stats.hats import collocation_of as collocation_of
    from calibrate.stats.hats import three_cornered_hat as three_cornered_hat
    from calibrate.stats.json_form import to_json as to_json
    from calibrate.stats.limits import ConstantTruthLimits as ConstantTruthLimits
    from calibrate.stats.limits import LevelDependent as LevelDependent
    from calibrate.stats.limits import constant_truth as constant_truth
    from calibrate.stats.limits import level_dependent as level_dependent
    from calibrate.stats.limits import limits_together as limits_together
    from calibrate.stats.lin_concordance import Concordance as Concordance
    from calibrate.stats.lin_concordance import concordance as concordance
    from calibrate.stats.line import Line as Line
    from calibrate.stats.line import OriginLine as OriginLine
    from calibrate.stats.line import least_squares as least_squares
    from calibrate.stats.linearity_tests import LackOfFit as LackOfFit
    from calibrate.stats.linearity_tests import cusum as cusum
    from calibrate.stats.linearity_tests import lack_of_fit as lack_of_fit
    from calibrate.stats.linearity_tests import one_factor as one_factor
    from calibrate.stats.meter_response import AveragingWindow as AveragingWindow
    from calibrate.stats.meter_response import PowerResponse as PowerResponse
    from calibrate.stats.meter_response import averaging_window as averaging_window
    from calibrate.stats.meter_response import duty_cycle as duty_cycle
    from calibrate.stats.meter_response import power_response as power_response
    from calibrate.stats.mixed_model import Mixed as Mixed
    from calibrate.stats.mixed_model import mixed as mixed
    from calibrate.stats.mixed_model import probe_effects as probe_effects
    from calibrate.stats.origin import deming_through_origin as deming_through_origin
    from calibrate.stats.origin import line_through_origin as line_through_origin
    from calibrate.stats.paired_change import PairedChange as PairedChange
    from calibrate.stats.paired_change import RepeatedValues as RepeatedValues
    from calibrate.stats.paired_change import change_between as change_between
    from calibrate.stats.passing_bablok_line import passing_bablok as passing_bablok
    from calibrate.stats.passing_bablok_line import passing_bablok_1983 as passing_bablok_1983
    from calibrate.stats.power_of_states import StatePowers as StatePowers
    from calibrate.stats.power_of_states import state_powers as state_powers
    from calibrate.stats.power_of_states import state_powers_of_watts as state_powers_of_watts
    from calibrate.stats.quantile import chi2_quantile as chi2_quantile
    from calibrate.stats.quantile import chi2_tail as chi2_tail
    from calibrate.stats.quantile import f_tail as f_tail
    from calibrate.stats.quantile import normal_quantile as normal_quantile
    from calibrate.stats.quantile import normal_tail as normal_tail
    from calibrate.stats.quantile import t_quantile as t_quantile
    from calibrate.stats.quantile import t_tail as t_tail
    from calibrate.stats.repeats import LEAST_LOOK as LEAST_LOOK
    from calibrate.stats.repeats import RepeatedMean as RepeatedMean
    from calibrate.stats.repeats import repeated_mean as repeated_mean
    from calibrate.stats.repeats import repeats_until as repeats_until
    from calibrate.stats.repeats import strays as strays
    from calibrate.stats.response import Linearity as Linearity
    from calibrate.stats.response import counter_lag as counter_lag
    from calibrate.stats.response import deficit as deficit
    from calibrate.stats.response import integrate as integrate
    from calibrate.stats.response import linearity as linearity
    from calibrate.stats.response import noise_w as noise_w
    from calibrate.stats.response import renewals as renewals
    from calibrate.stats.response import resolution as resolution
    from calibrate.stats.response import update_period as update_period
    from calibrate.stats.sequence import best_rho as best_rho
    from calibrate.stats.sequence import confidence_sequence as confidence_sequence
    from calibrate.stats.sequence import log_mixture as log_mixture
    from calibrate.stats.sequence import normal_mixture_bound as normal_mixture_bound
    from calibrate.stats.sequence import repeats_expected as repeats_expected
    from calibrate.stats.sequence import runs_needed as runs_needed
    from calibrate.stats.sequence import stitched_bound as stitched_bound
    from calibrate.stats.serial import CORRELATED_P as CORRELATED_P
    from calibrate.stats.serial import LEAST_REPEATS as LEAST_REPEATS
    from calibrate.stats.serial import SerialCorrelation as SerialCorrelation
    from calibrate.stats.serial import serial_correlation as serial_correlation
    from calibrate.stats.serial import widened as widened
    from calibrate.stats.tolerance import one_sided_bound as one_sided_bound
    from calibrate.stats.tolerance import tolerance_factor as tolerance_factor
    from calibrate.stats.tolerance import tolerance_limits as tolerance_limits
    from calibrate.stats.uncertainty_budget import Budget as Budget
    from calibrate.stats.uncertainty_budget import BudgetRow as BudgetRow
    from calibrate.stats.uncertainty_budget import MonteCarlo as MonteCarlo
    from calibrate.stats.uncertainty_budget import budget as budget
    from calibrate.stats.uncertainty_budget import monte_carlo as monte_carlo
    from calibrate.stats.york_line import YorkLine as YorkLine
    from calibrate.stats.york_line import york as york

#: Module -> what it exports.
_MODULES = {
    "agreement": (
        "Components LimitsOfAgreement MeanCorrection MeanRatio components correction "
        "exact_limits limits_of_agreement limits_of_differences mean_ratio mover_limits "
        "prediction"
    ),
    "alignment": "Alignment align",
    "bootstrap_interval": "bootstrap cluster_mean mean_of",
    "conformal_interval": "conformal guaranteed_level",
    "consensus_mean": "Consensus consensus",
    "deming_line": "deming exponent weighted_deming",
    "drift": (
        "ChangeOfLevel ControlChart LEAST_SESSIONS Trend change_of_level en_number ewma trend"
    ),
    "equivalence": "Equivalence ToleranceGate equivalent_ratio holm tolerance_gate tost",
    "estimate": "MAX_LOG Estimate Vector encode log_ratio ratio_estimate t_estimate",
    "fleet_ratios": "Fleet fleet",
    "forms": "ByLoad GainOffset Offset fit_by_load fit_gain_offset fit_offset worst_held_out",
    "hats": "Hats collocation collocation_of three_cornered_hat",
    "json_form": "to_json",
    "limits": "ConstantTruthLimits LevelDependent constant_truth level_dependent limits_together",
    "lin_concordance": "Concordance concordance",
    "line": "Line OriginLine least_squares",
    "linearity_tests": "LackOfFit cusum lack_of_fit one_factor",
    "meter_response": ("AveragingWindow PowerResponse averaging_window duty_cycle power_response"),
    "mixed_model": "Mixed mixed probe_effects",
    "origin": "deming_through_origin line_through_origin",
    "paired_change": "PairedChange RepeatedValues change_between",
    "passing_bablok_line": "passing_bablok passing_bablok_1983",
    "power_of_states": "StatePowers state_powers state_powers_of_watts",
    "quantile": "chi2_quantile chi2_tail f_tail normal_quantile normal_tail t_quantile t_tail",
    "repeats": "LEAST_LOOK RepeatedMean repeated_mean repeats_until strays",
    "response": (
        "Linearity counter_lag deficit integrate linearity noise_w renewals resolution "
        "update_period"
    ),
    "sequence": (
        "best_rho confidence_sequence log_mixture normal_mixture_bound repeats_expected "
        "runs_needed stitched_bound"
    ),
    "serial": "CORRELATED_P LEAST_REPEATS SerialCorrelation serial_correlation widened",
    "tolerance": "one_sided_bound tolerance_factor tolerance_limits",
    "uncertainty_budget": "Budget BudgetRow MonteCarlo budget monte_carlo",
    "york_line": "YorkLine york",
}
_HOME = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    """Import an exported name from its module, once (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
