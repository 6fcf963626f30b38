import { Component, type ReactNode } from "react";

interface BoundaryProps {
  /** Drawn instead when drawing the children throws. */
  fallback: ReactNode;
  children: ReactNode;
}

/** Keeps what one part of a screen throws to that part. */
export class Boundary extends Component<BoundaryProps, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override render(): ReactNode {
    return this.state.failed ? this.props.fallback : this.props.children;
  }
}
