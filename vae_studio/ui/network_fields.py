"""The bodies of encoder and decoder: networks to choose from, or an MLP's widths as typed."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QWidget

from vae_studio.core.config import (
    ConfigError,
    ConvolutionalConfig,
    MLPConfig,
    NetworkConfig,
    ResidualConfig,
    RunConfig,
)
from vae_studio.core.presets import PRESETS
from vae_studio.ui.fields import Choice, FieldGroup, line

_MORE_NETWORKS: tuple[NetworkConfig, ...] = (
    MLPConfig(widths=(400, 200), activation="relu"),
    MLPConfig(widths=()),
    ConvolutionalConfig(channels=(16, 32)),
    ResidualConfig(),
    ResidualConfig(channels=(32, 64, 64), blocks=2),
)
_KINDS = {
    "mlp": "Fully connected layers; it does not know which pixels are neighbours.",
    "convolutional": "Convolutions that halve the image each time, then dense layers: strokes are found wherever "
    "they are.",
    "residual": "Convolutions with residual blocks after each halving: deeper, slower to train, sharper.",
    "layered": "A published network layer by layer, whose decoder does not mirror its encoder.",
}
_LINEAR = "No hidden layer: encoder and decoder are linear. With a Gaussian likelihood this is probabilistic PCA."
_ACTIVATIONS = (
    ("relu", "ReLU", "max(0, x): simple and fast; units can die."),
    ("tanh", "tanh", "Saturates at ±1: what papers before 2016 used."),
    ("gelu", "GELU", "x Φ(x): a smooth ReLU, so that the map bends smoothly."),
    ("silu", "SiLU", "x σ(x), smooth as well, also called swish."),
)


class NetworkFields(FieldGroup):
    """The network's kind and size, an MLP's widths, and the activation.

    Only `network` belongs among the first settings a user meets: the rows of `rows` are for it, those of `details`
    for the rarer two.
    """

    def __init__(self) -> None:
        super().__init__()
        self.network = Choice("network_combo", "Network", "The encoder's body; the decoder mirrors it.")
        self._networks: list[NetworkConfig] = []
        self._own: int | None = None  # where the network stands that is none of those offered
        self._wrong = ""  # what is wrong with the widths as typed
        for network in (*(p.config.network for p in PRESETS.values()), *_MORE_NETWORKS):
            if network not in self._networks:
                self._add(network)
        tip = (
            "Units of the encoder's hidden layers from the image inwards, for example 512, 256; the decoder mirrors "
            "them. None at all makes a linear model."
        )
        self._widths = line("network_widths", "Widths of an MLP", tip)
        self._activation = Choice(
            "activation_combo", "Activation", "The non-linearity after each hidden layer.", _ACTIVATIONS
        )
        self.rows = [("Network", self.network)]
        self.details = [("MLP widths", self._widths), ("Activation", self._activation)]
        self._widths.textEdited.connect(self._typed)
        self._activation.currentIndexChanged.connect(self._activation_chosen)
        self.choices = {self.network: lambda index: {"network": self._networks[index]}}
        self.network.currentIndexChanged.connect(self._network_chosen)

    @property
    def fields(self) -> list[QWidget]:
        return [self.network, self._widths, self._activation]

    def show_config(self, config: RunConfig) -> None:
        self._show(config.network)

    def changes(self) -> dict[str, Any]:
        if self._wrong:
            raise ConfigError(self._wrong)
        return {"network": self._networks[self.network.value()]}

    def reasons(self, config: RunConfig) -> dict[QWidget, str]:
        is_mlp = config.network.kind == "mlp"
        return {self._widths: "" if is_mlp else "Only an MLP's widths can be typed: choose one as the network first."}

    def _typed(self, text: str) -> None:
        activation = self._networks[self.network.value()].activation
        try:
            widths = [int(part) for part in text.replace(",", " ").split()]
            network = RunConfig().with_changes(network={"kind": "mlp", "widths": widths, "activation": activation})
        except ConfigError as error:
            self._wrong = str(error)
        except ValueError:
            self._wrong = f"Widths must be whole numbers with commas between, such as 512, 256 (they were “{text}”)."
        else:
            self._wrong = ""
            self._choose(network.network)
        self.changed.emit()

    def _activation_chosen(self) -> None:
        network = self._networks[self.network.value()]
        self._choose(network.model_copy(update={"activation": self._activation.value()}))
        self.changed.emit()

    def _network_chosen(self) -> None:
        self._show(self._networks[self.network.value()])

    def _show(self, network: NetworkConfig) -> None:
        """Show this network in all fields."""
        self._wrong = ""
        self._choose(network)
        self._widths.setText(", ".join(map(str, network.widths)) if isinstance(network, MLPConfig) else "")
        self._activation.show_value(network.activation)

    def _choose(self, network: NetworkConfig) -> None:
        """Choose this network without announcing it; one that is not offered takes the last place."""
        if network not in self._networks:
            if self._own is None:
                self._own = len(self._networks)
                self._add(network)
            else:
                self._networks[self._own] = network
                self.network.replace(self._own, *self._words(network, self._networks[: self._own]))
        self.network.show_value(self._networks.index(network))

    def _add(self, network: NetworkConfig) -> None:
        title, explanation = self._words(network, self._networks)
        self._networks.append(network)
        self.network.add(len(self._networks) - 1, title, explanation)

    def _words(self, network: NetworkConfig, others: list[NetworkConfig]) -> tuple[str, str]:
        """Title and explanation; where another network has the same title, the activation tells them apart."""
        linear = isinstance(network, MLPConfig) and not network.widths
        kind = _LINEAR if linear else _KINDS[network.kind]
        activation = {value: title for value, title, _ in _ACTIVATIONS}[network.activation]
        ambiguous = any(other.title == network.title for other in others)
        named = network.title + (f" {network.activation}" if ambiguous else "")
        return named, f"{network.title}, activation {activation}. {kind}"
