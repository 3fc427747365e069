"""What a sheet of samples is to be of: where its points come from, temperature, mean or draw, how many, which seed."""

from __future__ import annotations

import itertools

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QBoxLayout,
    QButtonGroup,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from vae_studio.core.config import RunConfig
from vae_studio.core.exploration import Point
from vae_studio.core.samples import (
    MAX_RADIUS,
    MAX_SEED,
    MAX_TEMPERATURE,
    RADIUS,
    Around,
    OfClass,
    Prior,
    SampleRequest,
    Source,
)
from vae_studio.ui.controls import ValueSlider, chip, label, show_tip

COUNTS = (12, 24, 60, 96, 144)  # with many divisors, for pages of any shape
_COUNT = 60
_COMPONENTS = (1, 2, 3, 5, 8)
_SIDE_BY_SIDE = 620  # pixels of width from which the source stands beside the numbers
_NARROWEST = 350
_PRIOR, _AROUND = "prior", "around"
_DRAW = "A draw from p(x|z) at each point, by the seed."
_NO_DRAW = "An auto-encoder has no p(x|z) to draw from: its decoder gives one image for each code."
_NO_CLASSES = "Classes need images of this model’s shape, whose encodings can be fitted."
_SOURCE = (
    "Where the points z come from: the prior, a normal distribution around the current point, or a mixture of "
    "Gaussians fitted to the encodings of a class."
)


class SampleChoices(QWidget):
    """The controls, in two rows. Signal: `changed()` when another request has been put together."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._source = QComboBox()
        self._radius = QDoubleSpinBox()
        self._components = QComboBox()
        self._count = QComboBox()
        self._seed = QSpinBox()
        self._new = QPushButton("New samples")
        self._temperature = ValueSlider(
            0.0,
            2.0,
            1.0,
            decimals=2,
            hard_range=(0.0, MAX_TEMPERATURE),
            name="Temperature",
            tooltip="What the source’s standard deviations are multiplied by: less than 1 stays with what is typical, "
            "0 gives means only. The noise stays the same. Double-click: 1.",
        )
        self._mean = chip("mean", "The mean of p(x|z) at each point.")
        self._draw = chip("draw", _DRAW, checked=False)
        kinds = QButtonGroup(self)
        for button in (self._mean, self._draw):
            kinds.addButton(button)
        self._fill()
        self._name_controls()
        self._lay_out()
        self.set_config(RunConfig())
        self._source.currentIndexChanged.connect(self._choose_source)
        self._components.currentIndexChanged.connect(self.changed)
        self._count.currentIndexChanged.connect(self.changed)
        self._radius.valueChanged.connect(self.changed)
        self._seed.valueChanged.connect(self.changed)
        self._temperature.changed.connect(self.changed)
        self._draw.toggled.connect(self.changed)
        self._new.clicked.connect(self.next_seed)

    def set_config(self, config: RunConfig) -> None:
        """Which kind of model this is: an auto-encoder has neither a prior nor a p(x|z)."""
        vae = config.model == "vae"
        if not vae:
            self._mean.setChecked(True)
        self._draw.setEnabled(vae)
        show_tip(self._draw, _DRAW if vae else _NO_DRAW)
        self._mean.setText("mean" if vae else "output")
        self._mean.setAccessibleName(self._mean.text())
        show_tip(self._mean, "The mean of p(x|z) at each point." if vae else "What the decoder makes of each point.")
        with QSignalBlocker(self._source):
            self._source.setItemText(0, "Prior p(z)" if vae else "Random codes")

    def set_class_names(self, names: tuple[str, ...]) -> None:
        """The classes that there are images of, by number; "" for absent ones. One that is gone is chosen no longer."""
        chosen = self._source.currentData()
        with QSignalBlocker(self._source):
            while self._source.count() > 2:
                self._source.removeItem(2)
            for number, name in enumerate(names):
                if name:
                    self._source.addItem(f"Class {name}", number)
            self._source.setCurrentIndex(max(0, self._source.findData(chosen)))
        show_tip(self._source, _SOURCE if any(names) else f"{_SOURCE}\n{_NO_CLASSES}")
        self._show_detail()
        if self._source.currentData() != chosen:
            self.changed.emit()

    def request(self, point: Point) -> SampleRequest:
        """What is chosen, numbers just typed included, for this current point."""
        for field in (self._radius, self._seed):
            with QSignalBlocker(field):
                field.interpretText()
        return SampleRequest(
            self._chosen(point),
            self._temperature.value(),
            self._count.currentData(),
            self._draw.isChecked(),
            self._seed.value(),
        )

    @property
    def follows_point(self) -> bool:
        """Whether another current point makes another request."""
        return self._source.currentData() == _AROUND

    def next_seed(self) -> None:
        """Another sheet."""
        self._seed.setValue((self._seed.value() + 1) % (MAX_SEED + 1))

    def minimumSizeHint(self) -> QSize:
        return QSize(_NARROWEST, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        wide = self.width() >= _SIDE_BY_SIDE
        directions = QBoxLayout.Direction
        self._above.setDirection(directions.LeftToRight if wide else directions.TopToBottom)

    def controls(self) -> tuple[QWidget, ...]:
        """In the order in which Tab goes through them."""
        row = (self._source, self._radius, self._components, self._count, self._seed, self._new)
        return (*row, self._temperature.slider, self._temperature.field, self._mean, self._draw)

    def _chosen(self, point: Point) -> Source:
        kind = self._source.currentData()
        if kind == _PRIOR:
            return Prior()
        if kind == _AROUND:
            return Around(tuple(point), self._radius.value())
        return OfClass(kind, self._components.currentData())

    def _choose_source(self) -> None:
        self._show_detail()
        self.changed.emit()

    def _show_detail(self) -> None:
        kind = self._source.currentData()
        self._radius.setVisible(kind == _AROUND)
        self._components.setVisible(kind not in (_PRIOR, _AROUND))

    def _fill(self) -> None:
        self._source.addItem("Prior p(z)", _PRIOR)
        self._source.addItem("Around the point", _AROUND)
        self._source.setMaxVisibleItems(16)
        self._source.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self._components.addItem("1 to 3 Gaussians", None)
        for number in _COMPONENTS:
            self._components.addItem("1 Gaussian" if number == 1 else f"{number} Gaussians", number)
        for number in COUNTS:
            self._count.addItem(f"{number} images", number)
        self._count.setCurrentIndex(COUNTS.index(_COUNT))
        self._radius.setRange(0.0, MAX_RADIUS)
        self._radius.setDecimals(3)
        self._radius.setSingleStep(0.05)
        self._radius.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
        self._radius.setPrefix("r = ")
        self._radius.setValue(RADIUS)
        self._seed.setRange(0, MAX_SEED)
        self._seed.setPrefix("seed ")
        self._seed.setMinimumWidth(76)
        self._seed.setWrapping(True)
        for field in (self._radius, self._seed):
            field.setKeyboardTracking(False)
            field.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
            field.setAlignment(Qt.AlignmentFlag.AlignCenter)

    def _name_controls(self) -> None:
        self._temperature.slider.setObjectName("sample_temperature")
        self._temperature.field.setObjectName("sample_temperature_field")
        for widget, name, spoken, tip in (
            (self._source, "sample_source", "Where samples come from", _SOURCE),
            (
                self._radius,
                "sample_radius",
                "Radius around the point",
                "Standard deviation r of the points around the current one in each dimension, in latent units.",
            ),
            (
                self._components,
                "sample_components",
                "Gaussians of the mixture",
                "How many Gaussians are fitted to the encodings of the class; of 1 to 3 the Bayesian information "
                "criterion takes the number.",
            ),
            (self._count, "sample_count", "Number of samples", "How many images the sheet has."),
            (
                self._seed,
                "sample_seed",
                "Seed",
                "The same seed gives the same points again; type it to have a sheet again.",
            ),
            (self._new, "sample_new_button", "New samples", "Another sheet, by the next seed (Ctrl+N)."),
            (self._mean, "sample_mean_chip", "", ""),
            (self._draw, "sample_draw_chip", "", ""),
        ):
            widget.setObjectName(name)
            if spoken:
                widget.setAccessibleName(spoken)
                show_tip(widget, tip)

    def _lay_out(self) -> None:
        self._above = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        rows = [QHBoxLayout() for _ in range(3)]
        where, which, how = rows
        for widget in (self._source, self._radius, self._components):
            where.addWidget(widget)
        where.addStretch(1)
        for widget in (self._count, self._seed, self._new):
            which.addWidget(widget)
        which.addStretch()
        how.addWidget(label("Temperature", "muted"))
        how.addWidget(self._temperature, 1)
        for widget in (self._mean, self._draw):
            how.addWidget(widget)
        self._above.addLayout(where, 1)
        self._above.addLayout(which)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._above)
        layout.addLayout(how)
        for part in (*rows, self._above, layout):
            part.setSpacing(8)
        self._show_detail()
        for before, after in itertools.pairwise(self.controls()):
            QWidget.setTabOrder(before, after)
