"""Setup: which data, preset, network and optimisation the next run uses, and the objective of the present one."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from vae_studio.core.config import (
    DEFAULT_PRESET,
    MAX_LATENT_DIMS,
    PRESETS,
    ConfigError,
    ConvolutionalConfig,
    DataConfig,
    MLPConfig,
    RunConfig,
)
from vae_studio.ui.controls import chip, label
from vae_studio.ui.objective_panel import ObjectivePanel

Network = MLPConfig | ConvolutionalConfig

_MORE_NETWORKS: tuple[Network, ...] = (
    MLPConfig(widths=(400, 200), activation="relu"),
    MLPConfig(widths=(512, 256), activation="silu"),
    ConvolutionalConfig(channels=(16, 32)),
)
_MNIST_IMAGES = 60_000
# The panel's width is the user's to choose: long titles are no reason to widen it.
_NARROW = 48
_CHIP_STYLE = """
QPushButton { padding: 2px 0; border-radius: 4px; }
QPushButton:disabled { color: palette(mid); }
QPushButton:checked:disabled { background: palette(mid); border-color: palette(mid); color: palette(placeholder-text); }
"""
_WORDS = {"latent_dims": "latent dims", "batch_size": "batch size", "learning_rate": "rate", "beta": "β"}


class SetupPanel(QFrame):
    """The settings of a run as a form; settings it has no field for (the schedule, say) come from the preset.

    `objective` is the ObjectivePanel inside. Signals: `config_changed()` when the user has changed a setting and all
    are valid; `failed(str)` when `config()` was asked for and a setting cannot be used: the sentence says which.
    """

    config_changed = Signal()
    failed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("setup_panel")
        self.setProperty("panel", True)
        self.setMinimumWidth(256)
        self._base = PRESETS[DEFAULT_PRESET].config
        self._networks: list[Network] = []
        self._wanted_device = self._base.device
        self._filling = False
        self.objective = ObjectivePanel()
        self._make_fields()
        self._lay_out()
        self.set_devices([("auto", "Automatic")])
        self.set_config(self._base)
        self._connect()

    def sizeHint(self) -> QSize:
        """Wide enough for the longest network's title."""
        return QSize(288, super().sizeHint().height())

    # Values in

    def set_config(self, config: RunConfig) -> None:
        """Show these settings without announcing them."""
        self._base = config
        self._filling = True
        self._limit.setValue(config.data.limit or 0)
        self._pick.setCurrentIndex(self._pick.findData(config.data.pick))
        for digit, button in enumerate(self._chips):
            button.setChecked(config.data.classes is None or digit in config.data.classes)
        self._preset.setCurrentIndex(self._preset.findData(config.preset))
        self._preset.setPlaceholderText(config.preset)
        self._show_network(config.network)
        self._latent_dims.setValue(config.latent_dims)
        self._batch_size.setValue(config.batch_size)
        self._epochs.setValue(config.epochs)
        self._seed.setText(str(config.seed))
        self._wanted_device = config.device
        self._device.setCurrentIndex(max(0, self._device.findData(config.device)))
        self.objective.set_values(config.beta, config.learning_rate)
        self._filling = False
        self._refresh()

    def offer(self, config: RunConfig) -> None:
        """Show the settings of a model that was opened, unless the user has changed something here."""
        if self._error.isHidden() and self._changed_row.isHidden():
            self.set_config(config.with_changes(device=self._device.currentData()))

    def set_devices(self, devices: list[tuple[str, str]]) -> None:
        """Offer these (choice, title), the first being the one for want of the one chosen."""
        self._filling = True
        self._device.clear()
        for choice, title in devices:
            self._device.addItem(title, choice)
            self._device.setItemData(self._device.count() - 1, title, Qt.ItemDataRole.ToolTipRole)
        self._device.setCurrentIndex(max(0, self._device.findData(self._wanted_device)))
        self._filling = False
        self._refresh()

    def set_running(self, running: bool) -> None:
        """While a run goes on only the objective can be turned."""
        for field in self._fields:
            field.setEnabled(not running)
        if not running:
            self._refresh()

    # Values out

    def config(self) -> RunConfig:
        """The settings as shown. Raises ConfigError, after `failed`, where one cannot be used."""
        for spin in (self._limit, self._latent_dims, self._batch_size, self._epochs):
            spin.interpretText()
        try:
            return self._read()
        except ConfigError as error:
            self.failed.emit(str(error))
            raise

    def _read(self) -> RunConfig:
        seed = self._seed.text().strip()
        if not (seed.isascii() and seed.isdecimal()):
            raise ConfigError(f"Seed must be a whole number, 0 or more (it was “{seed}”).")
        classes = tuple(digit for digit, button in enumerate(self._chips) if button.isChecked())
        return self._base.with_changes(
            data=DataConfig(
                limit=self._limit.value() or None,
                pick=self._pick.currentData(),
                classes=None if len(classes) == len(self._chips) else classes,
            ),
            network=self._networks[self._network.currentIndex()],
            latent_dims=self._latent_dims.value(),
            batch_size=self._batch_size.value(),
            epochs=self._epochs.value(),
            seed=int(seed),
            device=self._device.currentData(),
            beta=self.objective.beta(),
            learning_rate=self.objective.rate(),
        )

    # Reactions

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Scrolling the panel must not turn the controls that pass under the cursor."""
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return super().eventFilter(watched, event)

    def _edited(self) -> None:
        if not self._filling and self._refresh():
            self.config_changed.emit()

    def _class_clicked(self) -> None:
        if not any(button.isChecked() for button in self._chips):
            self.sender().setChecked(True)
            return
        self._edited()

    def _device_chosen(self) -> None:
        self._wanted_device = self._device.currentData()

    def _preset_chosen(self) -> None:
        """Fill in the preset: all but the device, which belongs to the machine and not to the recipe."""
        preset = PRESETS[self._preset.currentData()]
        self.set_config(preset.config.with_changes(device=self._device.currentData()))
        self.config_changed.emit()

    def _refresh(self) -> bool:
        """Show what differs from the preset, and what is wrong; whether nothing is wrong."""
        self._pick.setEnabled(self._limit.isEnabled() and self._limit.value() > 0)
        for combo in (self._network, self._device):
            combo.setToolTip(f"{combo.property('tip')}\n{combo.currentText()}")
        try:
            config = self._read()
        except ConfigError as error:
            self._error.setText(str(error))
            self._error.show()
            return False
        self._error.hide()
        preset = PRESETS.get(self._base.preset)
        changed = _differences(config, preset.config) if preset else []
        for index, known in enumerate(PRESETS.values()):
            mark = " *" if changed and known is preset else ""
            self._preset.setItemText(index, known.title + mark)
        self._summary.setText(preset.summary if preset else "Settings of their own, from no preset.")
        self._changed.setText(f"* changed: {', '.join(changed)}")
        self._changed_row.setVisible(bool(changed))
        return True

    def _show_network(self, network: Network) -> None:
        if network not in self._networks:
            known = {n.title for n in self._networks}
            self._networks.append(network)
            self._network.addItem(network.title + (f" {network.activation}" if network.title in known else ""))
            words = f"{network.title}, activation {network.activation}"
            self._network.setItemData(self._network.count() - 1, words, Qt.ItemDataRole.ToolTipRole)
        self._network.setCurrentIndex(self._networks.index(network))

    # Construction

    def _make_fields(self) -> None:
        self._data = _combo("data_combo", "Data", "The data set. Its test images are never trained on.")
        self._data.addItem("MNIST (60 000)", "mnist")
        self._limit = _spin("subset_limit", "Number of training images", 0, _MNIST_IMAGES)
        self._limit.setSpecialValueText("all")
        self._limit.setSingleStep(500)
        self._limit.setToolTip("How many training images to use; 0 means all. With 500 you can watch overfitting.")
        self._pick = _combo("subset_pick_combo", "Which images", "Take the first images, or random ones by the seed.")
        self._pick.addItem("first", "first")
        self._pick.addItem("random", "random")
        self._pick.setMinimumWidth(0)
        self._chips = [chip(str(digit), f"Train and test on images of the digit {digit}.") for digit in range(10)]
        for digit, button in enumerate(self._chips):
            button.setObjectName(f"class_chip_{digit}")
            button.setAccessibleName(f"Class {digit}")
            button.setStyleSheet(_CHIP_STYLE)
        self._preset = _combo("preset_combo", "Preset", "A starting point: choosing it fills in every field below.")
        for preset in PRESETS.values():
            self._preset.addItem(preset.title, preset.name)
            self._preset.setItemData(self._preset.count() - 1, preset.summary, Qt.ItemDataRole.ToolTipRole)
        self._summary = label("", "muted")
        self._changed = label("", "muted")
        self._restore = QPushButton("Restore")
        self._restore.setToolTip("Go back to the preset's settings.")
        self._network = _combo("network_combo", "Network", "The encoder's body; the decoder mirrors it.")
        for network in (*(p.config.network for p in PRESETS.values()), *_MORE_NETWORKS):
            self._show_network(network)
        self._latent_dims = _spin("latent_dims", "Latent dims", 1, MAX_LATENT_DIMS)
        self._latent_dims.setToolTip(f"Number of latent dimensions, 1 to {MAX_LATENT_DIMS}. Two can be seen whole.")
        self._batch_size = _spin("batch_size", "Batch size", 1, _MNIST_IMAGES)
        self._batch_size.setToolTip("Images per optimisation step. Larger: fewer, smoother steps an epoch.")
        self._epochs = _spin("epochs", "Epochs", 1, 100_000)
        self._epochs.setToolTip("How many times training goes through the images.")
        self._seed = QLineEdit()
        self._seed.setObjectName("seed")
        self._seed.setAccessibleName("Seed")
        self._seed.setToolTip("The same seed on the same device gives the same run: a whole number, 0 or more.")
        self._device = _combo("device_combo", "Device", "The processor to train on.")
        self._error = label("", "error")
        for name, wrapped in (("preset_summary", self._summary), ("preset_changed", self._changed)):
            wrapped.setObjectName(name)
            wrapped.setWordWrap(True)
        self._restore.setObjectName("preset_restore_button")
        self._error.setObjectName("setup_error")
        self._error.setWordWrap(True)
        self._fields = (
            *(self._data, self._limit, self._pick, *self._chips, self._preset, self._restore, self._network),
            *(self._latent_dims, self._batch_size, self._epochs, self._seed, self._device),
        )

    def _lay_out(self) -> None:
        subset = QHBoxLayout()
        subset.setSpacing(4)
        subset.addWidget(self._limit, 1)
        subset.addWidget(self._pick)
        classes = QHBoxLayout()
        classes.setSpacing(1)
        for button in self._chips:
            classes.addWidget(button, 1)
        self._changed_row = QWidget()
        changed = QHBoxLayout(self._changed_row)
        changed.setContentsMargins(0, 0, 0, 0)
        changed.addWidget(self._changed, 1)
        changed.addWidget(self._restore, 0, Qt.AlignmentFlag.AlignTop)
        form = QGridLayout()
        form.setHorizontalSpacing(8)
        form.setVerticalSpacing(4)
        form.setColumnStretch(1, 1)
        for text, field in (
            ("Data", self._data),
            ("Subset", subset),
            ("Classes", classes),
            ("Preset", self._preset),
            (None, self._summary),
            (None, self._changed_row),
            ("Network", self._network),
            ("Latent dims", self._latent_dims),
            ("Batch size", self._batch_size),
            ("Epochs", self._epochs),
            ("Seed", self._seed),
            ("Device", self._device),
            (None, self._error),
        ):
            _add_row(form, text, field)
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(12)
        layout.addLayout(form)
        layout.addWidget(self.objective, 1)
        scroll = QScrollArea()
        scroll.setWidget(content)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(12, 12, 12, 12)
        outer.setSpacing(8)
        outer.addWidget(label("Setup", "title"))
        outer.addWidget(scroll, 1)

    def _connect(self) -> None:
        for spin in (self._limit, self._latent_dims, self._batch_size, self._epochs):
            spin.valueChanged.connect(self._edited)
        for combo in (self._pick, self._network, self._device):
            combo.currentIndexChanged.connect(self._edited)
        for button in self._chips:
            button.clicked.connect(self._class_clicked)
        self._seed.textChanged.connect(self._edited)
        self._device.activated.connect(self._device_chosen)
        self._preset.activated.connect(self._preset_chosen)
        self._restore.clicked.connect(self._preset_chosen)
        self.objective.beta_changed.connect(self._edited)
        self.objective.rate_changed.connect(self._edited)
        for kind in (QComboBox, QAbstractSpinBox, QSlider):
            for control in self.findChildren(kind):
                # With the default policy the wheel itself would give the focus.
                control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                control.installEventFilter(self)


def _differences(config: RunConfig, preset: RunConfig) -> list[str]:
    """The settings, in words, in which a config differs from its preset; which device it runs on is none."""
    changed = []
    for name in RunConfig.model_fields:
        mine, theirs = getattr(config, name), getattr(preset, name)
        if name == "data" and mine.limit is None:
            mine = mine.model_copy(update={"pick": theirs.pick})
        if name != "device" and mine != theirs:
            changed.append(_WORDS.get(name, name.replace("_", " ")))
    return changed


def _combo(name: str, title: str, tooltip: str) -> QComboBox:
    combo = QComboBox()
    combo.setObjectName(name)
    combo.setAccessibleName(title)
    combo.setToolTip(tooltip)
    combo.setProperty("tip", tooltip)
    combo.setMinimumWidth(_NARROW)
    return combo


def _spin(name: str, title: str, low: int, high: int) -> QSpinBox:
    spin = QSpinBox()
    spin.setObjectName(name)
    spin.setAccessibleName(title)
    spin.setMinimumWidth(_NARROW)
    spin.setRange(low, high)
    spin.lineEdit().setTextMargins(6, 0, 6, 0)
    return spin


def _add_row(form: QGridLayout, text: str | None, field: QWidget | QHBoxLayout) -> None:
    row = form.rowCount()
    column, span = (1, 1) if text else (0, 2)
    if isinstance(field, QWidget):
        form.addWidget(field, row, column, 1, span)
    else:
        form.addLayout(field, row, column, 1, span)
    if text:
        title = label(text, "muted")
        title.setBuddy(field if isinstance(field, QWidget) else field.itemAt(0).widget())
        form.addWidget(title, row, 0)
