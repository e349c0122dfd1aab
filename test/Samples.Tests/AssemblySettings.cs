// Torch and ONNX Runtime use all cores themselves.
[assembly: DoNotParallelize]
